package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/valyala/fastjson"
)

// paneMs is the 5m window's pane; twelve are one of the 1h window's.
const paneMs = 5000

// counters of a pane or a window: sums only, so that panes add up.
type counters struct {
	events, promoters, passives, detractors, csatN, csatTop, csatSum int64
}

func (to *counters) add(from *counters) {
	to.events += from.events
	to.promoters += from.promoters
	to.passives += from.passives
	to.detractors += from.detractors
	to.csatN += from.csatN
	to.csatTop += from.csatTop
	to.csatSum += from.csatSum
}

type cell struct {
	touchpoint, stage string
	pane              int64
}

// partial is what one thread counted since the last tick.
type partial struct {
	mutex    sync.Mutex
	cells    map[cell]*counters
	newestMs int64
	records  int64
}

type partials struct {
	mutex sync.Mutex
	all   []*partial
}

func (list *partials) add() *partial {
	list.mutex.Lock()
	defer list.mutex.Unlock()
	added := &partial{cells: map[cell]*counters{}}
	list.all = append(list.all, added)
	return added
}

// take hands over what every thread counted, and leaves them empty.
func (list *partials) take(each func(cells map[cell]*counters, newestMs, records int64)) {
	list.mutex.Lock()
	defer list.mutex.Unlock()
	for _, one := range list.all {
		one.mutex.Lock()
		cells, newestMs, records := one.cells, one.newestMs, one.records
		one.cells, one.records = make(map[cell]*counters, len(cells)), 0
		one.mutex.Unlock()
		each(cells, newestMs, records)
	}
}

// tally is one thread's processor: it counts events and lets only ticks pass.
type tally struct {
	partial *partial
	parser  fastjson.Parser
}

func (t *tally) ProcessBatch(_ context.Context, batch service.MessageBatch) ([]service.MessageBatch, error) {
	t.partial.mutex.Lock()
	defer t.partial.mutex.Unlock()
	for _, message := range batch {
		bytes, err := message.AsBytes()
		if err != nil {
			return nil, err
		}
		if len(batch) == 1 && string(bytes) == "tick" {
			return []service.MessageBatch{batch}, nil
		}
		t.partial.records++
		t.count(bytes)
	}
	return nil, nil
}

func (t *tally) count(bytes []byte) {
	event, err := t.parser.ParseBytes(bytes)
	if err != nil {
		return
	}
	timeMs, isTime := timeOf(event.Get("time"))
	key := cell{text(event.Get("touchpoint")), text(event.Get("stage")), floorDivide(timeMs, paneMs)}
	if key.touchpoint == "" || !isTime {
		return
	}
	found := t.partial.cells[key]
	if found == nil {
		// The parser's strings end with its next document.
		key.touchpoint, key.stage = strings.Clone(key.touchpoint), strings.Clone(key.stage)
		found = &counters{}
		t.partial.cells[key] = found
	}
	t.partial.newestMs = max(t.partial.newestMs, timeMs)
	sign := int64(1)
	if text(event.Get("op")) == "retract" {
		sign = -1
	}
	found.events += sign
	if text(event.Get("type")) == "survey" {
		found.answers(event, sign)
	}
}

func (to *counters) answers(event *fastjson.Value, sign int64) {
	if nps, isThere := number(event.Get("nps")); isThere {
		switch {
		case nps >= 9:
			to.promoters += sign
		case nps >= 7:
			to.passives += sign
		default:
			to.detractors += sign
		}
	}
	if csat, isThere := number(event.Get("csat")); isThere {
		to.csatN += sign
		to.csatSum += sign * csat
		if csat >= 4 {
			to.csatTop += sign
		}
	}
}

func text(value *fastjson.Value) string {
	if value == nil || value.Type() != fastjson.TypeString {
		return ""
	}
	bytes, _ := value.StringBytes()
	return borrowed(bytes)
}

func number(value *fastjson.Value) (int64, bool) {
	if value == nil || value.Type() != fastjson.TypeNumber {
		return 0, false
	}
	return int64(value.GetFloat64()), true
}

func timeOf(value *fastjson.Value) (int64, bool) {
	if ms, isNumber := number(value); isNumber {
		return ms, true
	}
	at, err := time.Parse(time.RFC3339Nano, text(value))
	return at.UnixMilli(), err == nil
}

func floorDivide(a, b int64) int64 {
	if a < 0 {
		a -= b - 1
	}
	return a / b
}

func (t *tally) Close(context.Context) error { return nil }
