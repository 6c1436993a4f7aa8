package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/pkg/sftp"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// CopyToRemote copies a file or a folder to another machine. What it copied stays there when the resource is deleted.
type CopyToRemote struct{}

// CopyToRemoteArgs are its inputs.
type CopyToRemoteArgs struct {
	Connection Connection           `pulumi:"connection" provider:"secret"`
	Source     types.AssetOrArchive `pulumi:"source"`
	RemotePath string               `pulumi:"remotePath"`
	Triggers   []any                `pulumi:"triggers,optional" provider:"replaceOnChanges"`
}

// Annotate describes the inputs in the schema.
func (a *CopyToRemoteArgs) Annotate(n infer.Annotator) {
	n.Describe(&a.Connection, "How to reach the machine.")
	n.Describe(&a.Source, "A FileAsset, StringAsset or FileArchive. An archive is not unpacked, a folder is copied with "+
		"all that is in it.")
	n.Describe(&a.RemotePath, "Where to copy it to. Something is copied into a folder that exists, and over a file that does.")
	n.Describe(&a.Triggers, "The resource is replaced when any of these values changes.")
}

// CopyToRemoteState is kept in the stack.
type CopyToRemoteState struct {
	CopyToRemoteArgs
}

// Check refuses sources that are not on this machine.
func (CopyToRemote) Check(
	ctx context.Context, req infer.CheckRequest,
) (infer.CheckResponse[CopyToRemoteArgs], error) {
	args, failures, err := infer.DefaultCheck[CopyToRemoteArgs](ctx, req.NewInputs)
	asset, archive := args.Source.Asset, args.Source.Archive
	if err == nil && !(asset != nil && (asset.IsPath() || asset.IsText()) || archive != nil && archive.IsPath()) {
		failures = append(failures, p.CheckFailure{
			Property: "source",
			Reason:   "expected a FileAsset, a StringAsset or a FileArchive",
		})
	}
	return infer.CheckResponse[CopyToRemoteArgs]{Inputs: args, Failures: failures}, err
}

// Create copies.
func (CopyToRemote) Create(
	ctx context.Context, req infer.CreateRequest[CopyToRemoteArgs],
) (infer.CreateResponse[CopyToRemoteState], error) {
	id, err := resource.NewUniqueHex(req.Name, 8, 0)
	if err == nil && !req.DryRun {
		err = req.Inputs.copy(ctx)
	}
	return infer.CreateResponse[CopyToRemoteState]{ID: id, Output: CopyToRemoteState{req.Inputs}}, err
}

// Update copies again, unless only the way to get there has changed.
func (CopyToRemote) Update(
	ctx context.Context, req infer.UpdateRequest[CopyToRemoteArgs, CopyToRemoteState],
) (infer.UpdateResponse[CopyToRemoteState], error) {
	var err error
	old := req.State.CopyToRemoteArgs
	if !req.DryRun && (req.Inputs.hash() != old.hash() || req.Inputs.RemotePath != old.RemotePath) {
		err = req.Inputs.copy(ctx)
	}
	return infer.UpdateResponse[CopyToRemoteState]{Output: CopyToRemoteState{req.Inputs}}, err
}

func (a CopyToRemoteArgs) hash() string {
	if a.Source.Asset != nil {
		return a.Source.Asset.Hash
	}
	return a.Source.Archive.Hash
}

func (a CopyToRemoteArgs) copy(ctx context.Context) error {
	client, err := a.Connection.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	files, err := sftp.NewClient(client, sftp.UseConcurrentWrites(true))
	if err != nil {
		return fmt.Errorf("%w: the SSH server has no SFTP, set its Subsystem sftp", err)
	}
	defer files.Close()

	if asset := a.Source.Asset; asset != nil && asset.IsText() {
		if isFolder(files, a.RemotePath) {
			return fmt.Errorf("remotePath %s is a folder, expected the path of a file for text", a.RemotePath)
		}
		return copyTo(files, strings.NewReader(asset.Text), a.RemotePath)
	} else if asset != nil {
		return copyTree(files, asset.Path, a.RemotePath)
	}
	return copyTree(files, a.Source.Archive.Path, a.RemotePath)
}

// copyTree follows cp: into a folder that exists, except for a source that ends in a slash, of which only the contents
// are copied. Unlike with cp, a new folder gets the source in it as well.
func copyTree(files *sftp.Client, source, target string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if info.IsDir() && !strings.HasSuffix(source, "/") || !info.IsDir() && isFolder(files, target) {
		target = path.Join(target, filepath.Base(source))
	}
	return filepath.WalkDir(source, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(source, name)
		if err != nil {
			return err
		}
		to := path.Join(target, filepath.ToSlash(relative))
		if entry.IsDir() {
			if err := files.MkdirAll(to); err != nil {
				return fmt.Errorf("%s cannot be made a folder on the remote machine: %w", to, err)
			}
			return nil
		}
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		return copyTo(files, file, to)
	})
}

func copyTo(files *sftp.Client, source io.Reader, target string) error {
	file, err := openTo(files, target)
	if err == nil {
		_, err = file.ReadFrom(source)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written on the remote machine: %w", target, err)
	}
	return nil
}

func openTo(files *sftp.Client, target string) (*sftp.File, error) {
	if err := files.MkdirAll(path.Dir(target)); err != nil {
		return nil, err
	}
	return files.Create(target)
}

func isFolder(files *sftp.Client, name string) bool {
	info, err := files.Stat(name)
	return err == nil && info.IsDir()
}
