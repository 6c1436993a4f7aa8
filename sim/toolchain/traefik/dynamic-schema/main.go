// Command dynamic-schema prints what Traefik's dynamic configuration may hold, as JSON, read off the Go types that Traefik
// itself decodes files and Consul's entries into. routes/shapes.ts says how to read it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	paerser "github.com/traefik/paerser/types"
	"github.com/traefik/traefik/v3/pkg/config/dynamic"
)

// fields is the shape of a struct.
type fields struct {
	Fields     map[string]any `json:"fields"`
	MayBeEmpty bool           `json:"mayBeEmpty,omitempty"`
}

func main() {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(shape(reflect.TypeFor[dynamic.Configuration](), false)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// shape panics at a type that Traefik's decoder does not know either.
func shape(t reflect.Type, mayBeEmpty bool) any {
	if t == reflect.TypeFor[paerser.Duration]() || t == reflect.TypeFor[time.Duration]() {
		return "duration"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return shape(t.Elem(), mayBeEmpty)
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "integer"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "count"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Interface:
		return "anything"
	case reflect.Slice:
		return map[string]any{"list": shape(t.Elem(), false)}
	case reflect.Map:
		return map[string]any{"names": shape(t.Elem(), false)}
	case reflect.Struct:
		s := fields{Fields: map[string]any{}, MayBeEmpty: mayBeEmpty}
		addFields(s.Fields, t)
		return s
	default:
		panic(fmt.Sprintf("a field of kind %s (%s)", t.Kind(), t))
	}
}

func addFields(into map[string]any, t reflect.Type) {
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || f.Anonymous || name == "-" || f.Tag.Get("file") == "-" {
			continue
		}
		// The decoder goes by the field's name, in upper or lower case; the tag has the spelling that people know.
		if !strings.EqualFold(name, f.Name) {
			panic(fmt.Sprintf("%s.%s is called %q in YAML, which its decoder would not find", t, f.Name, name))
		}
		into[name] = shape(f.Type, f.Tag.Get("file") == "allowEmpty")
	}
}
