package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	// Each registers its endpoint. The vSphere provider asks for the storage policy service on every connection.
	_ "github.com/vmware/govmomi/pbm/simulator"
	_ "github.com/vmware/govmomi/sts/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
)

type serveOptions struct {
	listen, cert, key, home, network string
	templates                        templates
	user                             *url.Userinfo
}

// template is a virtual machine template, and the docker image that its clones run.
type template struct{ name, image string }

// templates are what the flags of a command line add up to.
type templates []template

func (ts *templates) String() string {
	var all []string
	for _, t := range *ts {
		all = append(all, t.name+"="+t.image)
	}
	return strings.Join(all, " ")
}

func (ts *templates) Set(value string) error {
	i := strings.LastIndex(value, "=") // a template may have one in its name, an image cannot
	if i < 1 || i == len(value)-1 {
		return errors.New("expected NAME=IMAGE")
	}
	t := template{value[:i], value[i+1:]}
	if slices.ContainsFunc(*ts, func(other template) bool { return other.name == t.name }) {
		return fmt.Errorf("the template %s is there already: give each one once", t.name)
	}
	*ts = append(*ts, t)
	return nil
}

// dockerScript stands in front of the docker that the simulator calls; it says itself what for.
//
//go:embed docker.sh
var dockerScript []byte

func serve(ctx context.Context, o serveOptions) error {
	if err := putDockerInFront(o.home); err != nil {
		return err
	}
	server, err := start(ctx, o)
	if err != nil {
		return err
	}
	log.Printf("serving https://%s%s", server.URL.Host, server.URL.Path)

	<-ctx.Done()
	// Containers are left to whoever stops the lab: a vCenter that stops does not power off its machines either.
	return nil
}

// start serves the vCenter in the background.
func start(ctx context.Context, o serveOptions) (*simulator.Server, error) {
	cert, err := certificate(o)
	if err != nil {
		return nil, err
	}

	// The simulator keeps the files of its datastores in a temporary folder: inside the lab's, which goes when the lab goes.
	if err := os.Setenv("TMPDIR", o.home); err != nil {
		return nil, err
	}
	model := simulator.VPX()
	model.Datacenter, model.Autostart = 0, false // the inventory is ours alone
	if err := model.Create(); err != nil {
		return nil, fmt.Errorf("create the simulator: %w", err)
	}
	keepUpdates(model)
	cloneAsVCenter(model)
	if err := buildInventory(ctx, model, o); err != nil {
		return nil, fmt.Errorf("build the inventory: %w", err)
	}

	model.Service.Listen = &url.URL{Host: o.listen, User: o.user}
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	model.Service.RegisterEndpoints = true
	password, _ := o.user.Password()
	model.Map().SessionManager().ValidLogin = func(l *types.Login) bool {
		return l.UserName == o.user.Username() && l.Password == password
	}
	return model.Service.NewServer(), nil
}

// putDockerInFront makes the simulator's calls of `docker` run dockerScript.
func putDockerInFront(home string) error {
	docker, err := exec.LookPath("docker")
	if err != nil {
		return fmt.Errorf("no docker client on PATH, install one (Debian and Ubuntu: docker.io): %w", err)
	}
	bin := filepath.Join(home, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(bin, "docker"), dockerScript, 0o700); err != nil {
		return err
	}
	return errors.Join(
		os.Setenv("REAL_DOCKER", docker),
		os.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH")),
		// Events tell when to look at a machine. A look at any other time may take back what a client has just done: a machine that
		// was switched off meanwhile counts as running again, and is refused to be destroyed.
		os.Setenv("VCSIM_INSPECT_INTERVAL", "10m"),
	)
}

// certificate loads the key pair, making a self-signed one when there is none: what a fresh vCenter has.
func certificate(o serveOptions) (tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(o.cert, o.key)
	if !errors.Is(err, fs.ErrNotExist) {
		return cert, err
	}
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return cert, fmt.Errorf("-listen %q, expected address:port: %w", o.listen, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cert, err
	}
	now := time.Now()
	spec := &x509.Certificate{
		SerialNumber:          big.NewInt(now.UnixNano()),
		Subject:               pkix.Name{CommonName: "vcenter.lab.internal"},
		DNSNames:              []string{"vcenter.lab.internal"},
		IPAddresses:           []net.IP{net.ParseIP(host)},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true, // so that clients can be given it as their CA
	}
	der, err := x509.CreateCertificate(rand.Reader, spec, spec, key.Public(), key)
	if err != nil {
		return cert, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return cert, err
	}
	err = errors.Join(
		os.WriteFile(o.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644),
		os.WriteFile(o.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600),
	)
	if err != nil {
		return cert, err
	}
	return tls.LoadX509KeyPair(o.cert, o.key)
}
