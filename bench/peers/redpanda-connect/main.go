// redpanda-connect BROKERS TOPIC REDIS_ADDRESS bloblang|plugin: the engine of Redpanda Connect (benthos), with an input over franz-go and the job's
// counting as plugins, for its own Kafka and Redis components are in modules that are not to be had. No offsets are committed, as in
// delightd's memory mode: whoever restarts reads the topic again.
//
// bloblang: the fields are picked by a mapping in the product's own language, as its users write it, and the plugin only counts.
// plugin: the plugin parses, too, which leaves little of the product but its pipeline.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
)

// Batches of records are counted by two threads; the ticks, four a second, are what the output publishes at.
const pipeline = `
http: {enabled: false}
logger: {level: WARN}
input:
  broker:
    inputs:
      - records: {}
      - generate: {interval: 250ms, mapping: 'root.tick = true'}
pipeline:
  threads: 2
  processors:
%s    - tally: {}
output:
  scores: {}
`

const mapping = `    - mapping: |
        root = if this.exists("tick") {
          this
        } else {
          {"type": this.type, "touchpoint": this.touchpoint, "stage": this.stage, "time": this.time, "nps": this.nps, "csat": this.csat, "op": this.op}
        }
`

func register(brokers, topic, redisAddress string, isMapped bool) error {
	shared := &partials{}
	empty := service.NewConfigSpec()
	err := service.RegisterBatchInput("records", empty,
		func(*service.ParsedConfig, *service.Resources) (service.BatchInput, error) {
			return &records{brokers: brokers, topic: topic}, nil
		})
	if err != nil {
		return err
	}
	err = service.RegisterBatchProcessor("tally", empty,
		func(*service.ParsedConfig, *service.Resources) (service.BatchProcessor, error) {
			return &tally{partial: shared.add(), isMapped: isMapped}, nil
		})
	if err != nil {
		return err
	}
	return service.RegisterBatchOutput("scores", empty,
		func(*service.ParsedConfig, *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
			return &scores{partials: shared, address: redisAddress, subjects: map[string]*subject{}}, service.BatchPolicy{}, 1, nil
		})
}

func run() error {
	if len(os.Args) != 5 || os.Args[4] != "bloblang" && os.Args[4] != "plugin" {
		return errors.New("usage: redpanda-connect BROKERS TOPIC REDIS_ADDRESS bloblang|plugin")
	}
	isMapped := os.Args[4] == "bloblang"
	if err := register(os.Args[1], os.Args[2], os.Args[3], isMapped); err != nil {
		return err
	}
	first := ""
	if isMapped {
		first = mapping
	}
	builder := service.NewStreamBuilder()
	if err := builder.SetYAML(fmt.Sprintf(pipeline, first)); err != nil {
		return err
	}
	built, err := builder.Build()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := built.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "redpanda-connect:", err)
		os.Exit(1)
	}
}
