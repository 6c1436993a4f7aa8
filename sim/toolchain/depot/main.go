// Command depot is what a network without internet has in its place, inside the simulated lab: package repositories, which
// are folders of files, and a registry with the images of a cluster under their official names. It takes nothing in.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// imageName is the annotation in which an OCI layout says what an image is called: containerd's, since it holds a whole name.
const imageName = "io.containerd.image.name"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "depot:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("depot", flag.ContinueOnError)
	listen := f.String("listen", "", "address and port to serve HTTPS at")
	cert := f.String("cert", "", "TLS certificate file")
	key := f.String("key", "", "TLS key file")
	files := f.String("files", "", "folder whose files are served as they are")
	images := f.String("images", "", "OCI layout whose images are served below /v2/, each under its whole name")
	if err := f.Parse(args); err != nil {
		return err
	}
	handler, err := newHandler(*files, *images)
	if err != nil {
		return err
	}
	server := &http.Server{Addr: *listen, Handler: handler, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	if err := server.ListenAndServeTLS(*cert, *key); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func newHandler(files, images string) (http.Handler, error) {
	logger := log.New(os.Stderr, "", log.LstdFlags)
	pull := registry.New(
		registry.Logger(logger),
		registry.WithBlobHandler(registry.NewDiskBlobHandler(filepath.Join(images, "blobs"))),
	)
	if err := fill(pull, images); err != nil {
		return nil, fmt.Errorf("images of %s: %w", images, err)
	}
	static := http.FileServer(http.Dir(files))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "nothing is taken in here", http.StatusMethodNotAllowed)
		case strings.HasPrefix(r.URL.Path, "/v2/"):
			pull.ServeHTTP(w, r)
		default:
			logger.Println(r.Method, r.URL)
			static.ServeHTTP(w, r)
		}
	}), nil
}

// fill hands the manifests of a layout to the registry, which keeps them in memory; blobs stay where they are.
func fill(pull http.Handler, layout string) error {
	data, err := os.ReadFile(filepath.Join(layout, "index.json"))
	if err != nil {
		return err
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(data, &index); err != nil {
		return err
	}
	for _, image := range index.Manifests {
		name := image.Annotations[imageName]
		tag := strings.LastIndex(name, ":")
		if tag <= strings.LastIndex(name, "/") {
			return fmt.Errorf("%s is called %q in %s, expected a name with a tag", image.Digest, name, imageName)
		}
		manifest, err := os.ReadFile(filepath.Join(layout, "blobs", image.Digest.Algorithm, image.Digest.Hex))
		if err != nil {
			return err
		}
		put := httptest.NewRequest(http.MethodPut, "/v2/"+name[:tag]+"/manifests/"+name[tag+1:], bytes.NewReader(manifest))
		put.Header.Set("Content-Type", string(image.MediaType))
		answer := httptest.NewRecorder()
		if pull.ServeHTTP(answer, put); answer.Code != http.StatusCreated {
			return fmt.Errorf("%s was refused with %d: %s", name, answer.Code, answer.Body)
		}
	}
	return nil
}
