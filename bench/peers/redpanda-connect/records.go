package main

import (
	"context"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What a poll of franz-go hands over becomes one batch.
const pollRecords = 10_000

type records struct {
	brokers, topic string
	client         *kgo.Client
}

func (in *records) Connect(context.Context) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(in.brokers),
		kgo.ConsumeTopics(in.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxPartitionBytes(4<<20),
	)
	in.client = client
	return err
}

func (in *records) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	fetches := in.client.PollRecords(ctx, pollRecords)
	if err := fetches.Err0(); err != nil {
		return nil, nil, err
	}
	batch := make(service.MessageBatch, 0, fetches.NumRecords())
	fetches.EachRecord(func(record *kgo.Record) {
		batch = append(batch, service.NewMessage(record.Value))
	})
	return batch, func(context.Context, error) error { return nil }, nil
}

func (in *records) Close(context.Context) error {
	if in.client != nil {
		in.client.Close()
	}
	return nil
}
