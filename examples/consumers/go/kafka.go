package main

import (
	"context"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	cdc "consumer/cdcv1"
)

// readKafka reads the tables' topics, `{source}.{schema}.{table}` unless configured otherwise.
func readKafka(ctx context.Context, brokers, source string, replica *Replica, untilEnd bool) error {
	seeds := kgo.SeedBrokers(strings.Split(brokers, ",")...)
	client, err := kgo.NewClient(seeds)
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return err
	}
	schemas := source + ".schemas"
	partitions := map[string]int32{}
	for name, topic := range topics {
		if strings.HasPrefix(name, source+".") && name != schemas {
			partitions[name] = int32(len(topic.Partitions))
		}
	}
	// Schemas come before their rows too; this is for who starts to read in the middle.
	err = readTopics(ctx, admin, seeds, []string{schemas}, true, func(_ *kgo.Record, event *cdc.ChangeEvent) error {
		replica.Learn(event)
		return nil
	})
	if err != nil {
		return err
	}
	apply := func(record *kgo.Record, event *cdc.ChangeEvent) error {
		return replica.Apply(event, record.Partition, partitions[record.Topic])
	}
	names := []string{}
	for name := range partitions {
		names = append(names, name)
	}
	return readTopics(ctx, admin, seeds, names, untilEnd, apply)
}

// readTopics reads topics from their beginning; with untilEnd, what is there already.
func readTopics(ctx context.Context, admin *kadm.Client, seeds kgo.Opt, topics []string, untilEnd bool,
	take func(*kgo.Record, *cdc.ChangeEvent) error) error {
	ends, err := admin.ListEndOffsets(ctx, topics...)
	if err != nil {
		return err
	}
	starts, err := admin.ListStartOffsets(ctx, topics...)
	if err != nil {
		return err
	}
	left := 0
	ends.Each(func(end kadm.ListedOffset) {
		if start, _ := starts.Lookup(end.Topic, end.Partition); start.Offset < end.Offset {
			left++
		}
	})
	client, err := kgo.NewClient(seeds, kgo.ConsumeTopics(topics...))
	if err != nil {
		return err
	}
	defer client.Close()
	for left > 0 || !untilEnd {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for records := fetches.RecordIter(); !records.Done(); {
			record := records.Next()
			event := &cdc.ChangeEvent{}
			if err := proto.Unmarshal(record.Value, event); err != nil {
				return err
			}
			if err := take(record, event); err != nil {
				return err
			}
			if end, _ := ends.Lookup(record.Topic, record.Partition); record.Offset == end.Offset-1 {
				left--
			}
		}
	}
	return nil
}
