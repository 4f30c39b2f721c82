package main

import (
	"context"
	"encoding/json"
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
	partial  *partial
	parser   fastjson.Parser
	isMapped bool // what comes is structured already
}

// event holds what the scores need of one; absent numbers are below zero.
type event struct {
	touchpoint, stage   string
	timeMs, nps, csat   int64
	isRetract, isSurvey bool
}

func (t *tally) ProcessBatch(_ context.Context, batch service.MessageBatch) ([]service.MessageBatch, error) {
	t.partial.mutex.Lock()
	defer t.partial.mutex.Unlock()
	for _, message := range batch {
		var found event
		var isEvent, isTick bool
		if t.isMapped {
			found, isEvent, isTick = structured(message)
		} else {
			found, isEvent, isTick = t.parse(message)
		}
		if isTick {
			return []service.MessageBatch{batch}, nil
		}
		t.partial.records++
		if isEvent {
			t.partial.count(&found)
		}
	}
	return nil, nil
}

func (to *partial) count(found *event) {
	key := cell{found.touchpoint, found.stage, floorDivide(found.timeMs, paneMs)}
	sums := to.cells[key]
	if sums == nil {
		// The parser's strings end with its next document.
		key.touchpoint, key.stage = strings.Clone(key.touchpoint), strings.Clone(key.stage)
		sums = &counters{}
		to.cells[key] = sums
	}
	to.newestMs = max(to.newestMs, found.timeMs)
	sign := int64(1)
	if found.isRetract {
		sign = -1
	}
	sums.events += sign
	if found.isSurvey {
		sums.answers(found.nps, found.csat, sign)
	}
}

func (to *counters) answers(nps, csat, sign int64) {
	switch {
	case nps >= 9:
		to.promoters += sign
	case nps >= 7:
		to.passives += sign
	case nps >= 0:
		to.detractors += sign
	}
	if csat >= 0 {
		to.csatN += sign
		to.csatSum += sign * csat
		if csat >= 4 {
			to.csatTop += sign
		}
	}
}

// structured takes what the mapping picked.
func structured(message *service.Message) (found event, isEvent, isTick bool) {
	value, err := message.AsStructured()
	fields, isObject := value.(map[string]any)
	if err != nil || !isObject {
		return found, false, false
	}
	if _, isTick = fields["tick"]; isTick {
		return found, false, true
	}
	found.touchpoint, _ = fields["touchpoint"].(string)
	found.stage, _ = fields["stage"].(string)
	found.isRetract = fields["op"] == "retract"
	found.isSurvey = fields["type"] == "survey"
	found.nps, found.csat = plain(fields["nps"]), plain(fields["csat"])
	if text, isText := fields["time"].(string); isText {
		found.timeMs, err = rfc3339(text)
	} else {
		found.timeMs = plain(fields["time"])
	}
	return found, err == nil && found.touchpoint != "" && found.timeMs >= 0, false
}

func plain(value any) int64 {
	switch number := value.(type) {
	case float64:
		return int64(number)
	case int64:
		return number
	case json.Number:
		found, err := number.Float64()
		if err == nil {
			return int64(found)
		}
	}
	return -1
}

// parse reads the record itself.
func (t *tally) parse(message *service.Message) (found event, isEvent, isTick bool) {
	bytes, err := message.AsBytes()
	if err != nil {
		return found, false, false
	}
	value, err := t.parser.ParseBytes(bytes)
	if err != nil {
		return found, false, false
	}
	found.touchpoint, found.stage = text(value.Get("touchpoint")), text(value.Get("stage"))
	if found.touchpoint == "" {
		return found, false, value.Exists("tick")
	}
	found.isRetract = text(value.Get("op")) == "retract"
	found.isSurvey = text(value.Get("type")) == "survey"
	found.nps, found.csat, found.timeMs = number(value.Get("nps")), number(value.Get("csat")), number(value.Get("time"))
	if found.timeMs < 0 {
		found.timeMs, err = rfc3339(text(value.Get("time")))
	}
	return found, err == nil, false
}

func text(value *fastjson.Value) string {
	if value == nil || value.Type() != fastjson.TypeString {
		return ""
	}
	bytes, _ := value.StringBytes()
	return borrowed(bytes)
}

func number(value *fastjson.Value) int64 {
	if value == nil || value.Type() != fastjson.TypeNumber {
		return -1
	}
	return int64(value.GetFloat64())
}

func rfc3339(text string) (int64, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	return at.UnixMilli(), err
}

func floorDivide(a, b int64) int64 {
	if a < 0 {
		a -= b - 1
	}
	return a / b
}

func (t *tally) Close(context.Context) error { return nil }
