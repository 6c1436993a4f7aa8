// Command vcenter is the vCenter of the simulated lab: govmomi's simulator with the inventory of the reference homelab,
// whose virtual machines are docker containers. The other subcommands are ordinary clients of it, for tests and operators.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/vmware/govmomi"
)

const usage = `usage:
  vcenter serve -listen ADDR:PORT -cert FILE -key FILE -home DIR -network NETWORK -template NAME=IMAGE ...
  vcenter power NAME on|off|reset
  vcenter delete NAME
  vcenter clone SOURCE NAME
  vcenter move NAME FOLDER
  vcenter inventory
  vcenter folders
  vcenter delete-folder FOLDER

The credentials are in the environment, VSPHERE_USER and VSPHERE_PASSWORD; the other subcommands, clients of any vCenter, find
its address in VSPHERE_SERVER. NAME and SOURCE are machines, in whatever folder they are; a FOLDER is a path below the
datacenter's machines, such as esxi-k8s/sim, or / for none.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "vcenter:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("no subcommand\n" + usage)
	}
	switch command, args := args[0], args[1:]; {
	case command == "serve":
		o, err := serveFlags(args)
		if err != nil {
			return err
		}
		return serve(ctx, o)
	case command == "power" && len(args) == 2:
		return withClient(ctx, func(c *govmomi.Client) error { return power(ctx, c, args[0], args[1]) })
	case command == "delete" && len(args) == 1:
		return withClient(ctx, func(c *govmomi.Client) error { return remove(ctx, c, args[0]) })
	case command == "clone" && len(args) == 2:
		return withClient(ctx, func(c *govmomi.Client) error { return clone(ctx, c, args[0], args[1]) })
	case command == "move" && len(args) == 2:
		return withClient(ctx, func(c *govmomi.Client) error { return move(ctx, c, args[0], args[1]) })
	case command == "folders" && len(args) == 0:
		return withClient(ctx, func(c *govmomi.Client) error { return folders(ctx, c, os.Stdout) })
	case command == "delete-folder" && len(args) == 1:
		return withClient(ctx, func(c *govmomi.Client) error { return removeFolder(ctx, c, args[0]) })
	case command == "inventory" && len(args) == 0:
		return withClient(ctx, func(c *govmomi.Client) error { return inventory(ctx, c, os.Stdout) })
	}
	return fmt.Errorf("cannot make sense of %q\n%s", strings.Join(args, " "), usage)
}

func serveFlags(args []string) (serveOptions, error) {
	var o serveOptions
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	f.StringVar(&o.listen, "listen", "", "address and port of the API")
	f.StringVar(&o.cert, "cert", "", "TLS certificate file; made, with its key, when missing")
	f.StringVar(&o.key, "key", "", "TLS key file")
	f.StringVar(&o.home, "home", "", "folder for what the datastores hold")
	f.StringVar(&o.network, "network", "", "port group, and the docker network behind it")
	f.Var(&o.templates, "template", "name of a virtual machine template, and the docker image behind its clones; once for each")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	var missing []string
	f.VisitAll(func(fl *flag.Flag) {
		if fl.Value.String() == "" {
			missing = append(missing, "-"+fl.Name)
		}
	})
	if len(missing) > 0 {
		return o, fmt.Errorf("serve needs %s: set them\n%s", strings.Join(missing, ", "), usage)
	}
	user, err := credentials()
	o.user = user
	return o, err
}

// credentials come from the environment because every user of the machine can read the arguments of a process.
func credentials() (*url.Userinfo, error) {
	user, password := os.Getenv("VSPHERE_USER"), os.Getenv("VSPHERE_PASSWORD")
	if user == "" || password == "" {
		return nil, errors.New("VSPHERE_USER or VSPHERE_PASSWORD is empty: set both")
	}
	return url.UserPassword(user, password), nil
}
