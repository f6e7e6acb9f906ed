// Loads a compose file as Docker Compose does (its own library: schema, anchors, interpolation,
// normalization, the graph of dependencies), and prints what a `docker compose up` would get, as JSON.
//
//	compose FILE
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/graph"
	"github.com/compose-spec/compose-go/v2/types"
)

func load(ctx context.Context, file string) ([]byte, error) {
	options, err := cli.NewProjectOptions([]string{file})
	if err != nil {
		return nil, err
	}
	project, err := options.LoadProject(ctx)
	if err != nil {
		return nil, err
	}
	// Compose starts services in this order; a circle has none.
	if err := graph.InDependencyOrder(ctx, project, func(context.Context, string, types.ServiceConfig) error { return nil }); err != nil {
		return nil, err
	}
	return project.MarshalJSON()
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: compose FILE")
	}
	shown, err := load(context.Background(), os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(shown))
}
