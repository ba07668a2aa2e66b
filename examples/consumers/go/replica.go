package main

import (
	"bytes"
	"fmt"
	"maps"

	"google.golang.org/protobuf/proto"

	cdc "consumer/cdcv1"
)

// Replica holds the tables of one source, rebuilt from events: everything that docs/envelope.md asks of a consumer,
// and no broker. Apply takes each partition's events in their order. Beside the rows, one pair of numbers per table
// and partition is kept: that drops what is delivered again and shows what is missing.
type Replica struct {
	Say     func(hole string) // Told of each hole, in a person's words.
	Holes   int
	schemas map[uint64]*cdc.TableSchema // By fingerprint.
	parts   map[place]*part
	numbers map[counted]*Numbers
}

// Row is a row by its columns' names.
type Row map[string]any

// Table names a table of a source.
type Table struct{ Source, Schema, Name string }

type place struct {
	Table
	partition int32
}

// counted is what is numbered 1, 2, 3 …: the changes of a table in an epoch, or the rows of a load of it.
type counted struct {
	Table
	epoch uint64
	load  string
}

// NewReplica makes an empty one.
func NewReplica(say func(string)) *Replica {
	return &Replica{say, 0, map[uint64]*cdc.TableSchema{}, map[place]*part{}, map[counted]*Numbers{}}
}

// Learn keeps the schema of a SCHEMA event, from in band or from the topic or bucket of all schemas.
func (r *Replica) Learn(event *cdc.ChangeEvent) { r.schemas[event.SchemaFp] = event.TableSchema }

// Apply takes the next event of a partition; partitions is how many its topic has.
func (r *Replica) Apply(event *cdc.ChangeEvent, partition, partitions int32) error {
	if event.Op == cdc.Op_OP_SCHEMA {
		r.Learn(event)
	}
	if event.Table == "" || event.Op == cdc.Op_OP_SCHEMA {
		return nil // MESSAGE and HEARTBEAT have no table.
	}
	table := Table{event.Source, event.Schema, event.Table}
	p := r.parts[place{table, partition}]
	if p == nil {
		p = &part{}
		p.clear()
		r.parts[place{table, partition}] = p
	}
	switch event.Op {
	case cdc.Op_OP_INSERT, cdc.Op_OP_UPDATE, cdc.Op_OP_DELETE, cdc.Op_OP_TRUNCATE:
		if event.Epoch < p.epoch || event.Epoch == p.epoch && event.TableSeq <= p.tableSeq {
			return nil // Delivered again: it is applied already.
		}
		p.epoch, p.tableSeq = event.Epoch, event.TableSeq
		r.count(counted{Table: table, epoch: event.Epoch}, partition, partitions, event.TableSeq, true)
	case cdc.Op_OP_READ:
		r.count(counted{Table: table, load: event.Load.Id}, partition, partitions, event.TableSeq, true)
	case cdc.Op_OP_LOAD_END:
		r.count(counted{Table: table, load: event.Load.Id}, partition, partitions, event.Load.Rows, false)
	}
	schema := r.schemas[event.SchemaFp]
	if schema == nil {
		return fmt.Errorf("no schema %016x of %s.%s: neither before its rows nor in the topic or bucket of all schemas",
			event.SchemaFp, event.Schema, event.Table)
	}
	p.apply(event, schema)
	return nil
}

func (r *Replica) count(of counted, partition, partitions int32, number uint64, came bool) {
	numbers := r.numbers[of]
	if numbers == nil {
		numbers = NewNumbers(partitions)
		r.numbers[of] = numbers
	}
	r.report(of, numbers.Reach(partition, number, came))
}

// Finish says that everything is read: a number that has not come in any partition by now is missing.
func (r *Replica) Finish() {
	for of, numbers := range r.numbers {
		if of.load == "" { // A load without its LOAD_END broke off, and is read again.
			r.report(of, numbers.Finish())
		}
	}
}

func (r *Replica) report(of counted, missing []Hole) {
	what := fmt.Sprintf("changes of epoch %d", of.epoch)
	if of.load != "" {
		what = "rows of load " + of.load
	}
	for _, hole := range missing {
		r.Holes++
		r.Say(fmt.Sprintf("HOLE: %s.%s: %s: number %d to %d missing", of.Schema, of.Name, what, hole.First, hole.Last))
	}
}

// Rows gives each table's rows.
func (r *Replica) Rows() map[Table][]Row {
	tables := map[Table][]Row{}
	for place, p := range r.parts {
		rows := tables[place.Table]
		for key, row := range p.rows {
			for range max(p.copies[key], 1) {
				rows = append(rows, row)
			}
		}
		tables[place.Table] = rows
	}
	return tables
}

// part is one table's rows in one partition: a key is always in the same.
type part struct {
	epoch, tableSeq uint64         // Of the last change.
	rows            map[string]Row // By the key's bytes; equal keys have equal bytes.
	copies          map[string]int // Of a table without a key: how many times each row is there.
	load            string         // The load under way, and the keys seen in it.
	seen            map[string]bool
}

func (p *part) apply(event *cdc.ChangeEvent, schema *cdc.TableSchema) {
	hasKey := len(schema.Key) > 0
	switch event.Op {
	case cdc.Op_OP_TRUNCATE:
		p.clear()
	case cdc.Op_OP_LOAD_BEGIN:
		p.load, p.seen = event.Load.Id, map[string]bool{}
		if !hasKey {
			p.clear() // Such a table is always read whole, and its rows can't be told apart.
		}
	case cdc.Op_OP_LOAD_END:
		if hasKey && p.load == event.Load.Id {
			p.endLoad(event.Load, schema)
		}
		p.load = ""
	case cdc.Op_OP_DELETE, cdc.Op_OP_INSERT, cdc.Op_OP_UPDATE, cdc.Op_OP_READ:
		if !hasKey {
			p.applyWithoutKey(event.Before, schema, -1)
			p.applyWithoutKey(event.After, schema, 1)
			return
		}
		key := bytesOf(event.Key)
		if event.Op == cdc.Op_OP_DELETE {
			delete(p.rows, key)
			return
		}
		if event.Op == cdc.Op_OP_READ && p.load != "" {
			p.seen[key] = true
		}
		p.rows[key] = dictionary(event.After, schema, p.rows[key])
	}
}

func (p *part) applyWithoutKey(row *cdc.Row, schema *cdc.TableSchema, change int) {
	if row == nil {
		return
	}
	key := bytesOf(row)
	p.rows[key] = dictionary(row, schema, nil)
	if p.copies[key] += change; p.copies[key] == 0 {
		delete(p.rows, key)
		delete(p.copies, key)
	}
}

// endLoad removes what is in the load's range and was not seen in it: that is gone from the source.
func (p *part) endLoad(load *cdc.Load, schema *cdc.TableSchema) {
	column := schema.Columns[schema.Key[0]].Name
	maps.DeleteFunc(p.rows, func(key string, row Row) bool {
		return !p.seen[key] && !less(row[column], load.From) && (load.To == nil || less(row[column], load.To))
	})
}

// less compares with a bound, which is a whole number, a date or a UUID; false without a bound.
func less(value any, bound *cdc.Row) bool {
	if bound == nil {
		return false
	}
	limit, _ := cell(bound.Values[0])
	switch value := value.(type) {
	case int64:
		return value < limit.(int64)
	case int32:
		return value < limit.(int32)
	case []byte:
		return bytes.Compare(value, limit.([]byte)) < 0
	}
	panic(fmt.Sprintf("a load's bound of type %T", value))
}

func (p *part) clear() { p.rows, p.copies = map[string]Row{}, map[string]int{} }

// dictionary gives a row by its columns' names; what was not sent stays as it is known.
func dictionary(row *cdc.Row, schema *cdc.TableSchema, known Row) Row {
	named := Row{}
	for i, value := range row.GetValues() {
		name := schema.Columns[i].Name
		if cell, sent := cell(value); sent {
			named[name] = cell
		} else if old, isKnown := known[name]; isKnown {
			named[name] = old
		}
	}
	return named
}

// cell gives a value as Go has it, nil for a null, and whether it was sent at all: what was not sent is no null.
// Timestamps and times stay microseconds, dates days, decimals their exact text.
func cell(value *cdc.Value) (any, bool) {
	switch kind := value.Kind.(type) {
	case *cdc.Value_Null:
		return nil, true
	case *cdc.Value_Bool:
		return kind.Bool, true
	case *cdc.Value_Int64:
		return kind.Int64, true
	case *cdc.Value_Uint64:
		return kind.Uint64, true
	case *cdc.Value_Double:
		return kind.Double, true
	case *cdc.Value_Decimal:
		return kind.Decimal, true
	case *cdc.Value_String_:
		return kind.String_, true
	case *cdc.Value_Bytes:
		return kind.Bytes, true
	case *cdc.Value_TimestampUs:
		return kind.TimestampUs, true
	case *cdc.Value_DateDays:
		return kind.DateDays, true
	case *cdc.Value_TimeUs:
		return kind.TimeUs, true
	case *cdc.Value_Uuid:
		return kind.Uuid, true
	case *cdc.Value_Json:
		return kind.Json, true
	case *cdc.Value_Other:
		return kind.Other.Text, true
	case *cdc.Value_Array:
		items := []any{}
		for _, item := range kind.Array.Values {
			cell, _ := cell(item)
			items = append(items, cell)
		}
		return items, true
	}
	return nil, false // unchanged, omitted
}

func bytesOf(row *cdc.Row) string {
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(row)
	if err != nil {
		panic(err) // Only for text that is not UTF-8, which decoding has refused.
	}
	return string(bytes)
}
