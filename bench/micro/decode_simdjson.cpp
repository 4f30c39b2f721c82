// The events' decoder as a competent user of simdjson On-Demand would write it: one pass over the fields, each read where it
// stands. It checks what delightd's decoder checks: the whole text's syntax and UTF-8, repeated keys at any depth, the types,
// ranges and words of the fields that matter, names' lengths, times. Reasons are not told, so it has less to do.
#include "decode_simdjson.h"

#include <cmath>
#include <cstring>
#include <simdjson.h>
#include <string_view>
#include <vector>

using namespace simdjson;

namespace {

enum Field {
    TYPE, TOUCHPOINT, ID, TIME, STAGE, JOURNEY, CUSTOMER, CHANNEL, TIER, OP, NPS, CSAT, CES, EXPECTATION, KANO, OUTCOME, WAIT_MS,
    HANDLE_MS, FIRST_CONTACT, RESOLVABLE, STATE, SATISFIED, DURATION_MS, UNKNOWN
};

constexpr int ABSENT = -1;
constexpr int64_t YEAR_MS = INT64_C(365) * 86400000, TIME_MIN = INT64_C(946684800000), TIME_MAX = INT64_C(253402300799999);
constexpr uint32_t COMMON = (1u << NPS) - 1, SURVEY = COMMON | ((1u << OUTCOME) - (1u << NPS)),
                   CONTACT = COMMON | ((1u << STATE) - (1u << OUTCOME)), OPENED = COMMON | 1u << STATE,
                   CLOSED = COMMON | ((1u << UNKNOWN) - (1u << STATE));

Field find(std::string_view key)
{
    // By length first: at most a handful of comparisons, of known lengths.
    switch (key.size()) {
    case 2: return key == "id" ? ID : key == "op" ? OP : UNKNOWN;
    case 3: return key == "nps" ? NPS : key == "ces" ? CES : UNKNOWN;
    case 4:
        return key == "type" ? TYPE : key == "time" ? TIME : key == "tier" ? TIER : key == "csat" ? CSAT : key == "kano" ? KANO : UNKNOWN;
    case 5: return key == "stage" ? STAGE : key == "state" ? STATE : UNKNOWN;
    case 7:
        return key == "journey" ? JOURNEY : key == "channel" ? CHANNEL : key == "outcome" ? OUTCOME : key == "wait_ms" ? WAIT_MS : UNKNOWN;
    case 8: return key == "customer" ? CUSTOMER : UNKNOWN;
    case 9: return key == "handle_ms" ? HANDLE_MS : key == "satisfied" ? SATISFIED : UNKNOWN;
    case 10: return key == "touchpoint" ? TOUCHPOINT : key == "resolvable" ? RESOLVABLE : UNKNOWN;
    case 11: return key == "expectation" ? EXPECTATION : key == "duration_ms" ? DURATION_MS : UNKNOWN;
    case 13: return key == "first_contact" ? FIRST_CONTACT : UNKNOWN;
    default: return UNKNOWN;
    }
}

} // namespace

struct simdjson_decoder {
    ondemand::parser parser;
    int csat_max;
    std::vector<std::string_view> keys; // unknown ones, of the objects that are open
    int depth; // of them and of the arrays; Kano answers not counted

    bool add_key(size_t base, std::string_view key)
    {
        for (size_t i = base; i < keys.size(); i++)
            if (keys[i] == key)
                return false;
        keys.push_back(key);
        return true;
    }

    bool skip_object(ondemand::value &value)
    {
        ondemand::object object;
        if (value.get_object().get(object))
            return false;
        size_t base = keys.size();
        for (auto field : object) {
            std::string_view key;
            if (field.unescaped_key().get(key) || !add_key(base, key) || !skip(field.value()))
                return false;
        }
        keys.resize(base);
        return true;
    }

    bool skip(simdjson_result<ondemand::value> result)
    {
        ondemand::value value;
        return !std::move(result).get(value) && skip(value);
    }

    bool skip(ondemand::value &value)
    {
        ondemand::json_type type;
        if (value.type().get(type))
            return false;
        if (type != ondemand::json_type::array && type != ondemand::json_type::object)
            return skip_scalar(value, type);
        if (++depth > 64)
            return false;
        bool good = type == ondemand::json_type::array ? skip_array(value) : skip_object(value);
        depth--;
        return good;
    }

    bool skip_array(ondemand::value &value)
    {
        ondemand::array array;
        if (value.get_array().get(array))
            return false;
        for (auto element : array)
            if (!skip(element))
                return false;
        return true;
    }

    bool skip_scalar(ondemand::value &value, ondemand::json_type type)
    {
        switch (type) {
        case ondemand::json_type::string: {
            std::string_view text;
            return !value.get_string().get(text) && memchr(text.data(), '\0', text.size()) == nullptr;
        }
        case ondemand::json_type::number: {
            ondemand::number number;
            return !value.get_number().get(number) && (!number.is_uint64() || number.get_uint64() <= INT64_MAX);
        }
        case ondemand::json_type::boolean: {
            bool boolean;
            return !value.get_bool().get(boolean);
        }
        case ondemand::json_type::null:
            return value.is_null();
        case ondemand::json_type::array:
        case ondemand::json_type::object:
            break;
        }
        return false;
    }
};

namespace {

enum class Read { GOOD, NIL, OTHER, BROKEN }; // OTHER: good JSON, but not as the field should be

// null, or a type other than the wanted one.
Read other(simdjson_decoder &decoder, ondemand::value &value, ondemand::json_type type)
{
    if (type == ondemand::json_type::null)
        return value.is_null() ? Read::NIL : Read::BROKEN;
    return decoder.skip(value) ? Read::OTHER : Read::BROKEN;
}

Read read_string(simdjson_decoder &decoder, ondemand::value &value, simdjson_name &name)
{
    ondemand::json_type type;
    if (value.type().get(type))
        return Read::BROKEN;
    if (type != ondemand::json_type::string)
        return other(decoder, value, type);
    std::string_view text;
    if (value.get_string().get(text) || memchr(text.data(), '\0', text.size()) != nullptr)
        return Read::BROKEN;
    name = {text.data(), text.size()};
    return Read::GOOD;
}

Read read_name(simdjson_decoder &decoder, ondemand::value &value, simdjson_name &name)
{
    Read read = read_string(decoder, value, name);
    return read == Read::GOOD && name.bytes > 128 ? Read::OTHER : read;
}

Read read_integer(simdjson_decoder &decoder, ondemand::value &value, int64_t min, int64_t max, int64_t &integer)
{
    ondemand::json_type type;
    if (value.type().get(type))
        return Read::BROKEN;
    if (type != ondemand::json_type::number)
        return other(decoder, value, type);
    ondemand::number number;
    if (value.get_number().get(number))
        return Read::BROKEN;
    if (number.is_double()) { // 9.0 is 9
        double real = number.get_double();
        if (real != std::trunc(real) || std::fabs(real) >= 0x1p63)
            return Read::OTHER;
        integer = static_cast<int64_t>(real);
    } else if (number.is_int64()) {
        integer = number.get_int64();
    } else {
        return Read::BROKEN;
    }
    return integer >= min && integer <= max ? Read::GOOD : Read::OTHER;
}

template <typename Member>
Read read_integer(simdjson_decoder &decoder, ondemand::value &value, int64_t max, Member &member, int64_t min = 0)
{
    int64_t integer = 0;
    Read read = read_integer(decoder, value, min, max, integer);
    if (read == Read::GOOD)
        member = static_cast<Member>(integer);
    return read;
}

Read read_boolean(simdjson_decoder &decoder, ondemand::value &value, int8_t &member)
{
    ondemand::json_type type;
    if (value.type().get(type))
        return Read::BROKEN;
    if (type != ondemand::json_type::boolean)
        return other(decoder, value, type);
    bool boolean;
    if (value.get_bool().get(boolean))
        return Read::BROKEN;
    member = boolean;
    return Read::GOOD;
}

using Words = std::initializer_list<std::pair<std::string_view, int>>;

template <typename Member> Read read_word(simdjson_decoder &decoder, ondemand::value &value, Words words, Member &member)
{
    simdjson_name name;
    Read read = read_string(decoder, value, name);
    if (read != Read::GOOD)
        return read;
    for (const auto &word : words) {
        if (word.first == std::string_view(name.data, name.bytes)) {
            member = static_cast<Member>(word.second);
            return Read::GOOD;
        }
    }
    return Read::OTHER;
}

Read read_time(simdjson_decoder &decoder, ondemand::value &value, int64_t &time_ms)
{
    ondemand::json_type type;
    if (value.type().get(type))
        return Read::BROKEN;
    if (type != ondemand::json_type::string)
        return read_integer(decoder, value, INT64_MIN, INT64_MAX, time_ms);
    std::string_view text;
    if (value.get_string().get(text))
        return Read::BROKEN;
    return simdjson_time_parse(text.data(), text.size(), &time_ms) ? Read::GOOD : Read::OTHER;
}

// What is wrong in an answer of a survey is told as OTHER only after all of it was looked at.
Read read_kano_answer(simdjson_decoder &decoder, ondemand::value &value, simdjson_kano &answer)
{
    ondemand::json_type type;
    if (value.type().get(type))
        return Read::BROKEN;
    if (type != ondemand::json_type::object)
        return decoder.skip(value) ? Read::OTHER : Read::BROKEN;
    ondemand::object object;
    if (value.get_object().get(object))
        return Read::BROKEN;
    size_t base = decoder.keys.size();
    unsigned seen = 0, good = 0;
    int functional = 0, dysfunctional = 0;
    for (auto field : object) {
        std::string_view key;
        ondemand::value item;
        if (field.unescaped_key().get(key) || field.value().get(item))
            return Read::BROKEN;
        unsigned bit = key == "feature" ? 1 : key == "functional" ? 2 : key == "dysfunctional" ? 4 : 0;
        if (bit == 0) {
            if (!decoder.add_key(base, key) || !decoder.skip(item))
                return Read::BROKEN;
            continue;
        }
        if ((seen & bit) != 0)
            return Read::BROKEN;
        seen |= bit;
        Read read = bit == 1   ? read_name(decoder, item, answer.feature)
                    : bit == 2 ? read_integer(decoder, item, 5, functional, 1)
                               : read_integer(decoder, item, 5, dysfunctional, 1);
        if (read == Read::BROKEN)
            return read;
        if (read == Read::GOOD)
            good |= bit;
    }
    decoder.keys.resize(base);
    if (good != 7 || answer.feature.bytes == 0)
        return Read::OTHER;
    answer.category = simdjson_kano_category(functional, dysfunctional);
    return Read::GOOD;
}

Read read_kano(simdjson_decoder &decoder, ondemand::value &value, simdjson_event &event)
{
    ondemand::json_type type;
    if (value.type().get(type))
        return Read::BROKEN;
    if (type == ondemand::json_type::object) {
        event.kano_count = 1;
        return read_kano_answer(decoder, value, event.kano[0]);
    }
    if (type != ondemand::json_type::array)
        return other(decoder, value, type);
    ondemand::array array;
    if (value.get_array().get(array))
        return Read::BROKEN;
    size_t count = 0;
    Read all = Read::GOOD;
    for (auto element : array) {
        ondemand::value item;
        simdjson_kano spare;
        if (std::move(element).get(item))
            return Read::BROKEN;
        Read read = read_kano_answer(decoder, item, count < 32 ? event.kano[count] : spare);
        if (read == Read::BROKEN)
            return read;
        if (read != Read::GOOD)
            all = Read::OTHER;
        count++;
    }
    event.kano_count = static_cast<uint8_t>(count <= 32 ? count : 0);
    return count >= 1 && count <= 32 ? all : Read::OTHER;
}

Read read_field(simdjson_decoder &decoder, Field field, ondemand::value &value, simdjson_event &event)
{
    simdjson_name customer;
    Read read;
    switch (field) {
    case TYPE: return read_word(decoder, value, {{"survey", 0}, {"contact", 1}, {"complaint", 2}}, event.type);
    case TOUCHPOINT:
        read = read_name(decoder, value, event.touchpoint);
        return read == Read::GOOD && event.touchpoint.bytes == 0 ? Read::OTHER : read;
    case ID: return read_string(decoder, value, event.id);
    case TIME: return read_time(decoder, value, event.time_ms);
    case STAGE: return read_name(decoder, value, event.stage);
    case JOURNEY: return read_name(decoder, value, event.journey);
    case CUSTOMER: return read_string(decoder, value, customer);
    case CHANNEL: return read_name(decoder, value, event.segment[0]);
    case TIER: return read_name(decoder, value, event.segment[1]);
    case OP: return read_word(decoder, value, {{"add", 1}, {"retract", -1}}, event.sign);
    case NPS: return read_integer(decoder, value, 10, event.nps);
    case CSAT: return read_integer(decoder, value, decoder.csat_max, event.csat, 1);
    case CES: return read_integer(decoder, value, 7, event.ces, 1);
    case EXPECTATION: return read_integer(decoder, value, 5, event.expectation, 1);
    case KANO: return read_kano(decoder, value, event);
    case OUTCOME: return read_word(decoder, value, {{"answered", 1}, {"abandoned", 2}}, event.outcome);
    case WAIT_MS: return read_integer(decoder, value, YEAR_MS, event.wait_ms);
    case HANDLE_MS: return read_integer(decoder, value, YEAR_MS, event.handle_ms);
    case FIRST_CONTACT: return read_boolean(decoder, value, event.first_contact);
    case RESOLVABLE: return read_boolean(decoder, value, event.resolvable);
    case STATE: return read_word(decoder, value, {{"opened", 0}, {"closed", 1}}, event.closed);
    case SATISFIED: return read_boolean(decoder, value, event.satisfied);
    case DURATION_MS: return read_integer(decoder, value, YEAR_MS, event.duration_ms);
    case UNKNOWN: break;
    }
    return Read::BROKEN;
}

// Fields of other events are ignored, whatever was read.
void forget_others(simdjson_event &event, uint32_t relevant)
{
    if ((relevant & 1u << NPS) == 0) {
        event.nps = event.csat = event.ces = event.expectation = ABSENT;
        event.kano_count = 0;
    }
    if ((relevant & 1u << OUTCOME) == 0) {
        event.outcome = 0;
        event.wait_ms = event.handle_ms = ABSENT;
        event.first_contact = ABSENT;
        event.resolvable = 1;
    }
    if ((relevant & 1u << STATE) == 0)
        event.closed = ABSENT;
    if ((relevant & 1u << SATISFIED) == 0) {
        event.satisfied = ABSENT;
        event.duration_ms = ABSENT;
    }
}

bool decode(simdjson_decoder &decoder, const char *data, size_t bytes, simdjson_event &event)
{
    std::memset(&event, 0, offsetof(simdjson_event, kano));
    event.sign = event.resolvable = 1;
    event.nps = event.csat = event.ces = event.expectation = event.first_contact = event.closed = event.satisfied = ABSENT;
    event.wait_ms = event.handle_ms = event.duration_ms = ABSENT;

    if (bytes > 65536)
        return false;
    ondemand::document document;
    ondemand::object object;
    if (decoder.parser.iterate(data, bytes, bytes + SIMDJSON_PADDING).get(document) || document.get_object().get(object))
        return false;
    decoder.keys.clear();
    decoder.depth = 1;
    uint32_t seen = 0, good = 0, odd = 0;
    for (auto field : object) {
        std::string_view key;
        ondemand::value value;
        if (field.unescaped_key().get(key) || field.value().get(value))
            return false;
        Field which = find(key);
        if (which == UNKNOWN) {
            if (!decoder.add_key(0, key) || !decoder.skip(value))
                return false;
            continue;
        }
        uint32_t bit = 1u << which;
        if ((seen & bit) != 0)
            return false;
        seen |= bit;
        Read read = read_field(decoder, which, value, event);
        if (read == Read::BROKEN)
            return false;
        good |= read == Read::GOOD ? bit : 0;
        odd |= read == Read::OTHER ? bit : 0;
    }
    if (document.current_location().error() != OUT_OF_BOUNDS) // something stands behind the object
        return false;
    if ((good & 3) != 3 || (good & 1u << TIME) == 0 || event.time_ms < TIME_MIN || event.time_ms > TIME_MAX)
        return false;
    uint32_t relevant = event.type == 0 ? SURVEY : event.type == 1 ? CONTACT : event.closed == 1 ? CLOSED : OPENED;
    if ((odd & relevant) != 0 || (event.type == 2 && (good & 1u << STATE) == 0))
        return false;
    forget_others(event, relevant);
    return event.type != 0 || event.nps != ABSENT || event.csat != ABSENT || event.ces != ABSENT || event.expectation != ABSENT ||
           event.kano_count > 0;
}

} // namespace

extern "C" simdjson_decoder *simdjson_decoder_create(int csat_max)
{
    auto *decoder = new simdjson_decoder;
    decoder->csat_max = csat_max;
    return decoder;
}

extern "C" void simdjson_decoder_destroy(simdjson_decoder *decoder)
{
    delete decoder;
}

extern "C" bool simdjson_decode(simdjson_decoder *decoder, const char *data, size_t bytes, simdjson_event *event)
{
    return decode(*decoder, data, bytes, *event);
}
