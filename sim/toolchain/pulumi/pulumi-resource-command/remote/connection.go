package remote

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Endpoint is an SSH server and how to log in to it.
type Endpoint struct {
	Host               string   `pulumi:"host"`
	Port               *float64 `pulumi:"port,optional"`
	User               *string  `pulumi:"user,optional"`
	Password           *string  `pulumi:"password,optional"`
	PrivateKey         *string  `pulumi:"privateKey,optional"`
	PrivateKeyPassword *string  `pulumi:"privateKeyPassword,optional"`
	AgentSocketPath    *string  `pulumi:"agentSocketPath,optional"`
	HostKey            *string  `pulumi:"hostKey,optional"`
	DialErrorLimit     *int     `pulumi:"dialErrorLimit,optional"`
	PerDialTimeout     *int     `pulumi:"perDialTimeout,optional"`
}

// Annotate describes the inputs in the schema.
func (e *Endpoint) Annotate(n infer.Annotator) {
	n.Describe(&e.Host, "The address of the server.")
	n.Describe(&e.Port, "Its port.")
	n.SetDefault(&e.Port, 22)
	n.Describe(&e.User, "The user to log in as.")
	n.SetDefault(&e.User, "root")
	n.Describe(&e.Password, "The user's password.")
	n.Describe(&e.PrivateKey, "A private key of the user's, tried before the password.")
	n.Describe(&e.PrivateKeyPassword, "The password of the private key.")
	n.Describe(&e.AgentSocketPath, "The socket of an SSH agent; SSH_AUTH_SOCK by default.")
	n.Describe(&e.HostKey, "The server's public key, in the format of authorized_keys; not verified without.")
	n.Describe(&e.DialErrorLimit, "How many attempts may fail before giving up; -1 for no limit.")
	n.SetDefault(&e.DialErrorLimit, 10)
	n.Describe(&e.PerDialTimeout, "Seconds an attempt may take; 0 for no limit.")
	n.SetDefault(&e.PerDialTimeout, 15)
}

// ProxyConnection is a bastion host that connections go through.
type ProxyConnection struct {
	Endpoint
}

// Connection is where commands run.
type Connection struct {
	Endpoint
	Proxy *ProxyConnection `pulumi:"proxy,optional"`
}

// Annotate describes the inputs in the schema.
func (c *Connection) Annotate(n infer.Annotator) {
	n.Describe(&c.Proxy, "The bastion host to go through.")
}

// dial connects and logs in, as often as it takes: a machine may still be booting. Failing to log in is no exception,
// since it may not have created the user yet.
func (c Connection) dial(ctx context.Context) (*ssh.Client, error) {
	if c.Proxy == nil {
		return c.Endpoint.dial(ctx, (&net.Dialer{}).DialContext)
	}
	proxy, err := c.Proxy.dial(ctx, (&net.Dialer{}).DialContext)
	if err != nil {
		return nil, fmt.Errorf("proxy %w", err)
	}
	client, err := c.Endpoint.dial(ctx, proxy.DialContext)
	if err != nil {
		proxy.Close()
		return nil, err
	}
	go func() {
		client.Wait()
		proxy.Close()
	}()
	return client, nil
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func (e Endpoint) dial(ctx context.Context, network dialer) (*ssh.Client, error) {
	config, err := e.clientConfig()
	if err != nil {
		return nil, err
	}
	limit := valueOr(e.DialErrorLimit, 10)
	delay := 100 * time.Millisecond
	for failures := 1; ; failures++ {
		client, err := e.attempt(ctx, network, config)
		if err == nil {
			return client, nil
		}
		if limit >= 0 && failures > limit {
			return nil, fmt.Errorf("%s: gave up after %d attempts: %w", e.address(), failures, err)
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: interrupted after %d attempts: %w", e.address(), failures, err)
		}
		delay = min(delay*3/2, 5*time.Second)
	}
}

func (e Endpoint) attempt(ctx context.Context, network dialer, config *ssh.ClientConfig) (*ssh.Client, error) {
	if timeout := valueOr(e.PerDialTimeout, 15); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(timeout)*time.Second)
		defer cancel()
	}
	conn, err := network(ctx, "tcp", e.address())
	if err != nil {
		return nil, err
	}
	// A server that accepts and then stays silent is not covered by the dialer's context.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	transport, channels, requests, err := ssh.NewClientConn(conn, e.address(), config)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return ssh.NewClient(transport, channels, requests), nil
}

func (e Endpoint) address() string {
	return net.JoinHostPort(e.Host, strconv.Itoa(int(valueOr(e.Port, 22))))
}

func (e Endpoint) clientConfig() (*ssh.ClientConfig, error) {
	config := &ssh.ClientConfig{User: valueOr(e.User, "root"), HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	if e.HostKey != nil {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*e.HostKey))
		if err != nil {
			return nil, fmt.Errorf("connection.hostKey is not a public key, expected for example 'ssh-ed25519 AAAA…': %w", err)
		}
		config.HostKeyCallback = ssh.FixedHostKey(key)
	}
	if e.PrivateKey != nil {
		signer, err := e.signer()
		if err != nil {
			return nil, fmt.Errorf("connection.privateKey cannot be read, expected PEM and its privateKeyPassword: %w", err)
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if e.Password != nil {
		config.Auth = append(config.Auth, ssh.Password(*e.Password), ssh.KeyboardInteractive(
			func(_, _ string, questions []string, _ []bool) ([]string, error) {
				answers := make([]string, len(questions))
				for i := range answers {
					answers[i] = *e.Password
				}
				return answers, nil
			}))
	}
	if socket := valueOr(e.AgentSocketPath, os.Getenv("SSH_AUTH_SOCK")); socket != "" {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return nil, fmt.Errorf("the SSH agent does not answer, start it or unset SSH_AUTH_SOCK: %w", err)
		}
		config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
	}
	return config, nil
}

func (e Endpoint) signer() (ssh.Signer, error) {
	if e.PrivateKeyPassword != nil {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(*e.PrivateKey), []byte(*e.PrivateKeyPassword))
	}
	return ssh.ParsePrivateKey([]byte(*e.PrivateKey))
}

func valueOr[T any](value *T, fallback T) T {
	if value == nil {
		return fallback
	}
	return *value
}
