// PocketBase as it ships, with a collection of tasks and on a free port.
package main

import (
	_ "embed"
	"fmt"
	"log"
	"net"

	"github.com/pocketbase/pocketbase"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/migrations"
)

//go:embed tasks.json
var tasks []byte

func main() {
	migrations.Register(func(app core.App) error {
		return app.ImportCollectionsByMarshaledJSON(tasks, false)
	}, nil)
	app := pocketbase.NewWithConfig(pocketbase.Config{HideStartBanner: true})
	app.OnServe().BindFunc(func(serve *core.ServeEvent) (err error) {
		// The installer would open a browser.
		serve.InstallerFunc = nil
		if serve.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		fmt.Println("listening on", serve.Listener.Addr())
		return serve.Next()
	})
	if err := app.Start(); err != nil {
		log.Fatal(err)
	}
}
