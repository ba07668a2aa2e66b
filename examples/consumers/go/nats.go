package main

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	cdc "consumer/cdcv1"
)

// readNATS reads the stream `CDC_{source}`, which has one order for all tables.
func readNATS(ctx context.Context, url, source string, replica *Replica, untilEnd bool) error {
	connection, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer connection.Close()
	js, err := jetstream.New(connection)
	if err != nil {
		return err
	}
	if err := learnSchemas(ctx, js, source, replica); err != nil {
		return err
	}
	consumer, err := js.OrderedConsumer(ctx, "CDC_"+source, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	info, err := consumer.Info(ctx)
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for left := info.NumPending; left > 0 || !untilEnd; {
		message, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		event := &cdc.ChangeEvent{}
		if err := proto.Unmarshal(message.Data(), event); err != nil {
			return err
		}
		if err := replica.Apply(event, 0, 1); err != nil {
			return err
		}
		metadata, err := message.Metadata()
		if err != nil {
			return err
		}
		left = metadata.NumPending
	}
	return nil
}

// learnSchemas reads the bucket of all schemas. They come before their rows too; this is for who starts to read in
// the middle.
func learnSchemas(ctx context.Context, js jetstream.JetStream, source string, replica *Replica) error {
	bucket, err := js.KeyValue(ctx, "cdc_schemas_"+source)
	if err != nil {
		return err
	}
	fingerprints, err := bucket.Keys(ctx)
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil
	} else if err != nil {
		return err
	}
	for _, fingerprint := range fingerprints {
		entry, err := bucket.Get(ctx, fingerprint)
		if err != nil {
			return err
		}
		event := &cdc.ChangeEvent{}
		if err := proto.Unmarshal(entry.Value(), event); err != nil {
			return err
		}
		replica.Learn(event)
	}
	return nil
}
