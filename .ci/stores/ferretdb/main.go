// PORT FOLDER: a server on 127.0.0.1, its data in the folder.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: ferretdb PORT FOLDER")
	}
	folder, err := filepath.Abs(os.Args[2])
	if err == nil {
		err = os.MkdirAll(folder, 0o755)
	}
	if err != nil {
		log.Fatal(err)
	}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:" + os.Args[1]},
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Handler:   "sqlite",
		SQLiteURL: "file:" + folder + "/",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", strings.TrimSuffix(strings.TrimPrefix(server.MongoDBURI(), "mongodb://"), "/"))
	_ = server.Run(context.Background())
}
