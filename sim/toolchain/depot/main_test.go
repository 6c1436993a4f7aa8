package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// layout makes an OCI layout of one image, and tells the digest of its layer.
func layout(t *testing.T, name string) (dir, layer string) {
	t.Helper()
	dir = t.TempDir()
	blob := func(content string) string {
		sum := sha256.Sum256([]byte(content))
		digest := hex.EncodeToString(sum[:])
		write(t, filepath.Join(dir, "blobs", "sha256", digest), content)
		return "sha256:" + digest
	}
	layer = blob("a layer")
	manifest := fmt.Sprintf(`{"schemaVersion":2,"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":7}]}`, layer)
	write(t, filepath.Join(dir, "index.json"), fmt.Sprintf(
		`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":%d,"annotations":{%q:%q}}]}`,
		blob(manifest), len(manifest), imageName, name))
	return dir, layer
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestServesFilesAndImages(t *testing.T) {
	images, layer := layout(t, "registry.k8s.io/pause:3.10.2")
	files := t.TempDir()
	write(t, filepath.Join(files, "core:", "stable:", "deb", "Release"), "Origin: lab")
	handler, err := newHandler(files, images)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/core:/stable:/deb/Release", 200, "Origin: lab"},
		{"GET", "/core:/stable:/deb/InRelease", 404, ""},
		// As containerd asks a mirror.
		{"GET", "/v2/registry.k8s.io/pause/manifests/3.10.2?ns=registry.k8s.io", 200, layer},
		{"GET", "/v2/registry.k8s.io/pause/blobs/" + layer, 200, "a layer"},
		{"GET", "/v2/registry.k8s.io/pause/manifests/3.9", 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/pause/manifests/3.10.2", 404, "NAME_UNKNOWN"},
		{"PUT", "/v2/registry.k8s.io/pause/manifests/3.10.2", 405, "nothing is taken in"},
		{"DELETE", "/core:/stable:/deb/Release", 405, "nothing is taken in"},
	} {
		request, err := http.NewRequest(c.method, server.URL+c.path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != c.status || !strings.Contains(string(body), c.body) {
			t.Errorf("%s %s: got %d %s, expected %d and %q", c.method, c.path, response.StatusCode, body, c.status, c.body)
		}
	}
}

func TestRefusesAnImageWithoutATag(t *testing.T) {
	images, _ := layout(t, "localhost:5000/pause")
	if _, err := newHandler(t.TempDir(), images); err == nil || !strings.Contains(err.Error(), "expected a name with a tag") {
		t.Errorf("got %v", err)
	}
}
