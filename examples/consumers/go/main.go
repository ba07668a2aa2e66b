// Keeps a copy of a source's tables from its events in Kafka or NATS JetStream.
//
//	go run . -source shop -kafka 127.0.0.1:9092
//	go run . -source shop -nats nats://127.0.0.1:4222 -until-end -replica rows.json
//
// It starts from the beginning each time, because its copy is in memory. A consumer that keeps its rows in a database
// keeps the numbers and its place in the topic there too, in one transaction with the rows.
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
)

func main() {
	log.SetFlags(0)
	source := flag.String("source", "", "pipeline.name of the configuration")
	kafka := flag.String("kafka", "", "the brokers of Kafka")
	nats := flag.String("nats", "", "the URL of NATS")
	untilEnd := flag.Bool("until-end", false, "stop at what is the end now")
	file := flag.String("replica", "", "write all rows there in the end, as JSON")
	flag.Parse()
	if *source == "" || (*kafka == "") == (*nats == "") {
		log.Fatal("needs -source, and one of -kafka and -nats")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	replica := NewReplica(func(hole string) { log.Print(hole) })
	var err error
	if *kafka != "" {
		err = readKafka(ctx, *kafka, *source, replica, *untilEnd)
	} else {
		err = readNATS(ctx, *nats, *source, replica, *untilEnd)
	}
	if err == nil {
		replica.Finish()
	} else if ctx.Err() == nil {
		log.Fatal(err)
	}
	tables := replica.Rows()
	for table, rows := range tables {
		fmt.Printf("%s.%s: %d rows\n", table.Schema, table.Name, len(rows))
	}
	if *file != "" {
		if err := write(*file, tables, replica.Holes); err != nil {
			log.Fatal(err)
		}
	}
	if replica.Holes > 0 {
		os.Exit(3)
	}
}

func write(path string, tables map[Table][]Row, holes int) error {
	type rowsOfTable struct {
		Schema string `json:"schema"`
		Table  string `json:"table"`
		Rows   []Row  `json:"rows"`
	}
	all := []rowsOfTable{}
	for table, rows := range tables {
		plain := []Row{}
		for _, row := range rows {
			plain = append(plain, plainRow(row))
		}
		all = append(all, rowsOfTable{table.Schema, table.Name, plain})
	}
	text, err := json.Marshal(map[string]any{"tables": all, "holes": holes})
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

func plainRow(row Row) Row {
	plain := Row{}
	for name, value := range row {
		plain[name] = plainCell(value)
	}
	return plain
}

// plainCell makes text of what JSON has no way to write.
func plainCell(value any) any {
	switch value := value.(type) {
	case float64:
		return strconv.FormatFloat(value, 'g', -1, 64)
	case []byte:
		return hex.EncodeToString(value)
	case []any:
		items := make([]any, len(value))
		for i, item := range value {
			items[i] = plainCell(item)
		}
		return items
	}
	return value
}
