package main

import (
	"context"
	"strconv"
	"unsafe"

	"github.com/redis/go-redis/v9"
	"github.com/redpanda-data/benthos/v4/public/service"
)

const panes = 60

var windows = [...]struct {
	name   string
	paneMs int64
}{{"5m", paneMs}, {"1h", 60_000}}

// window is a ring of 60 panes.
type window struct {
	panes     [panes]int64
	counters  [panes]counters
	published counters
}

// What is older than the ring is late and does not count.
func (w *window) add(pane int64, delta *counters) {
	slot := pane % panes
	if pane < w.panes[slot] {
		return
	}
	if pane > w.panes[slot] {
		w.panes[slot], w.counters[slot] = pane, counters{}
	}
	w.counters[slot].add(delta)
}

func (w *window) total(newest int64) counters {
	var total counters
	for slot, pane := range w.panes {
		if pane > newest-panes && pane <= newest {
			total.add(&w.counters[slot])
		}
	}
	return total
}

type subject [len(windows)]window

// scores is the output: at every tick it brings the partial counts together and writes what changed to Redis, in one pipeline, under
// delightd's own keys and field names.
type scores struct {
	partials *partials
	address  string
	redis    *redis.Client
	subjects map[string]*subject
	newestMs int64
	records  int64
}

func (out *scores) Connect(context.Context) error {
	out.redis = redis.NewClient(&redis.Options{Addr: out.address})
	return nil
}

func (out *scores) WriteBatch(ctx context.Context, _ service.MessageBatch) error {
	before := out.records
	out.partials.take(func(cells map[cell]*counters, newestMs, records int64) {
		out.records += records
		out.newestMs = max(out.newestMs, newestMs)
		for key, delta := range cells {
			out.add("touchpoint:"+key.touchpoint, key.pane, delta)
			if key.stage != "" {
				out.add("stage:"+key.stage, key.pane, delta)
			}
		}
	})
	if out.records == before {
		return nil
	}
	pipeline := out.redis.Pipeline()
	for name, found := range out.subjects {
		for i := range windows {
			total := found[i].total(floorDivide(out.newestMs, windows[i].paneMs))
			if total != found[i].published {
				found[i].published = total
				out.write(ctx, pipeline, "cx:{"+name+"}:"+windows[i].name, &total)
			}
		}
	}
	pipeline.Set(ctx, "bench:records", out.records, 0)
	_, err := pipeline.Exec(ctx)
	return err
}

func (out *scores) add(name string, pane int64, delta *counters) {
	found := out.subjects[name]
	if found == nil {
		found = &subject{}
		out.subjects[name] = found
	}
	for i := range windows {
		found[i].add(floorDivide(pane*paneMs, windows[i].paneMs), delta)
	}
}

func (out *scores) write(ctx context.Context, pipeline redis.Pipeliner, key string, total *counters) {
	if total.events == 0 {
		pipeline.Del(ctx, key)
		return
	}
	if total.promoters+total.passives+total.detractors == 0 || total.csatN == 0 {
		pipeline.Del(ctx, key) // The last answer may have left the window.
	}
	fields := make([]any, 0, 20)
	fields = append(fields, "as_of", out.newestMs, "events", total.events)
	if n := total.promoters + total.passives + total.detractors; n > 0 {
		nps := 100 * float64(total.promoters-total.detractors) / float64(n)
		fields = append(fields, "nps_n", n, "nps", decimal(nps), "promoters", total.promoters, "passives", total.passives,
			"detractors", total.detractors)
	}
	if n := total.csatN; n > 0 {
		fields = append(fields, "csat_n", n, "csat", decimal(100*float64(total.csatTop)/float64(n)),
			"csat_mean", decimal(float64(total.csatSum)/float64(n)))
	}
	pipeline.HSet(ctx, key, fields...)
}

func decimal(value float64) string { return strconv.FormatFloat(value, 'f', 4, 64) }

// borrowed is a string over bytes that do not change while it is used.
func borrowed(bytes []byte) string { return unsafe.String(unsafe.SliceData(bytes), len(bytes)) }

func (out *scores) Close(context.Context) error { return out.redis.Close() }
