package shell

import (
	"bytes"
	"context"
	"sync"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Logging chooses the output that is shown while a command runs. What it hides is still in the resource's outputs, and
// in the error of a command that fails.
type Logging string

// The choices.
const (
	LogStdout          Logging = "stdout"
	LogStderr          Logging = "stderr"
	LogStdoutAndStderr Logging = "stdoutAndStderr"
	LogNone            Logging = "none"
)

// Values lists the choices in the schema.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: "stdout", Value: LogStdout},
		{Name: "stderr", Value: LogStderr},
		{Name: "stdoutAndStderr", Value: LogStdoutAndStderr},
		{Name: "none", Value: LogNone},
	}
}

// recorder keeps the output of a process, and shows it line by line.
type recorder struct {
	stdout, stderr stream
	mutex          sync.Mutex // the streams are written concurrently
	all            bytes.Buffer
}

type stream struct {
	recorder *recorder
	text     bytes.Buffer
	show     func(line string) // nil to hide
	shown    int               // bytes of text
}

func newRecorder(ctx context.Context, logging *Logging) *recorder {
	r := &recorder{}
	r.stdout.recorder, r.stderr.recorder = r, r
	show := p.GetLogger(ctx).InfoStatus
	if logging == nil || *logging == LogStdout || *logging == LogStdoutAndStderr {
		r.stdout.show = show
	}
	if logging == nil || *logging == LogStderr || *logging == LogStdoutAndStderr {
		r.stderr.show = show
	}
	return r
}

func (s *stream) Write(chunk []byte) (int, error) {
	s.recorder.mutex.Lock()
	defer s.recorder.mutex.Unlock()
	s.recorder.all.Write(chunk)
	s.text.Write(chunk)
	for s.show != nil {
		line, _, whole := bytes.Cut(s.text.Bytes()[s.shown:], []byte("\n"))
		if !whole {
			break
		}
		s.shown += len(line) + 1
		s.show(string(line))
	}
	return len(chunk), nil
}

// close shows the last lines, should they not end in a newline.
func (r *recorder) close() {
	for _, s := range []*stream{&r.stdout, &r.stderr} {
		if rest := s.text.Bytes()[s.shown:]; s.show != nil && len(rest) > 0 {
			s.show(string(rest))
		}
	}
}
