package remote

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// startServer runs an SSH server that executes commands on this machine, forwards connections and refuses every
// environment variable but those that start with PULUMI_. The returned connection logs in to it, once.
func startServer(t *testing.T) Connection {
	t.Helper()
	hostKey, clientKey := newKey(t), newKey(t)
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if string(key.Marshal()) != string(signer(t, clientKey).PublicKey().Marshal()) {
				return nil, errors.New("unknown key")
			}
			return nil, nil
		},
	}
	config.AddHostKey(signer(t, hostKey))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn, config)
		}
	}()
	port := float64(listener.Addr().(*net.TCPAddr).Port)
	key := string(pem.EncodeToMemory(clientKey))
	known := string(ssh.MarshalAuthorizedKey(signer(t, hostKey).PublicKey()))
	limit := 0
	return Connection{Endpoint: Endpoint{
		Host: "127.0.0.1", Port: &port, PrivateKey: &key, HostKey: &known, DialErrorLimit: &limit,
	}}
}

func newKey(t *testing.T) *pem.Block {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return block
}

func signer(t *testing.T, key *pem.Block) ssh.Signer {
	t.Helper()
	signer, err := ssh.ParsePrivateKey(pem.EncodeToMemory(key))
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func serve(conn net.Conn, config *ssh.ServerConfig) {
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		if channel.ChannelType() == "direct-tcpip" {
			go forward(channel)
		} else {
			go session(channel)
		}
	}
}

func forward(request ssh.NewChannel) {
	var to struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if ssh.Unmarshal(request.ExtraData(), &to) != nil {
		return
	}
	target, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.ParseIP(to.Host), Port: int(to.Port)})
	if err != nil {
		request.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	channel, requests, _ := request.Accept()
	go ssh.DiscardRequests(requests)
	go io.Copy(target, channel)
	io.Copy(channel, target)
}

func session(request ssh.NewChannel) {
	channel, requests, _ := request.Accept()
	defer channel.Close()
	env := os.Environ()
	for request := range requests {
		var text struct{ A, B string }
		switch request.Type {
		case "env":
			ssh.Unmarshal(request.Payload, &text)
			env = append(env, text.A+"="+text.B)
			request.Reply(strings.HasPrefix(text.A, "PULUMI_"), nil)
		case "subsystem":
			request.Reply(true, nil)
			server, _ := sftp.NewServer(channel)
			server.Serve()
			return
		case "exec":
			var command struct{ Text string }
			ssh.Unmarshal(request.Payload, &command)
			request.Reply(true, nil)
			cmd := exec.Command("/bin/sh", "-c", command.Text)
			cmd.Env, cmd.Stdout, cmd.Stderr = env, channel, channel.Stderr()
			stdin, _ := cmd.StdinPipe()
			go func() {
				io.Copy(stdin, channel)
				stdin.Close()
			}()
			cmd.Run()
			channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(cmd.ProcessState.ExitCode())}))
			return
		}
	}
}
