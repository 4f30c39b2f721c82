#include "malformed.h"

#include "rng.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>

enum { KAFKA_ONLY = 1, NEEDS_SEGMENT = 2, NEEDS_UNKNOWN = 4 };

/* In the texts `$` and a letter stand for: i an id, t a time, p a touchpoint, c one more than the best csat, s the first
 * counted segment's name, n a name of 129 bytes, d 100 opening brackets, D 100 closing ones, k 33 Kano answers, b
 * filling beyond the size limit. S and E are the beginning and the end of a survey that would be accepted. */
static const struct row {
    enum ld_reason reason;
    int flags;
    const char *text; /* NULL: no value at all */
} rows[] = {
    {LD_REASON_EMPTY, KAFKA_ONLY, NULL},
    {LD_REASON_EMPTY, KAFKA_ONLY, ""},

    {LD_REASON_TOO_LARGE, 0, "$S,\"note\":\"$b\"$E"},

    {LD_REASON_BAD_UTF8, 0, "$S,\"note\":\"\xff\"$E"},
    {LD_REASON_BAD_UTF8, 0, "$S,\"note\":\"caf\xe9\"$E"},         /* Latin-1 */
    {LD_REASON_BAD_UTF8, 0, "$S,\"note\":\"\xc0\x80\"$E"},       /* overlong NUL */
    {LD_REASON_BAD_UTF8, 0, "$S,\"note\":\"\xe0\x9f\xbf\"$E"},   /* overlong */
    {LD_REASON_BAD_UTF8, 0, "$S,\"note\":\"\xed\xa0\x80\"$E"},   /* surrogate */
    {LD_REASON_BAD_UTF8, 0, "$S,\"note\":\"\xf4\x90\x80\x80\"$E"}, /* beyond U+10FFFF */
    {LD_REASON_BAD_UTF8, 0, "$S,\"note\":\"\xe2\x82\"$E"},       /* cut short */
    {LD_REASON_BAD_UTF8, 0, "$S,\"note\":\"\\u0000\"$E"},
    {LD_REASON_BAD_UTF8, 0, "$S,\"note\":\"\\ud83d\"$E"},
    {LD_REASON_BAD_UTF8, 0, "$S,\"note\":\"\\ude00\\ud83d\"$E"},
    {LD_REASON_BAD_UTF8, 0, "$S,\"n\xfe\":1$E"},                 /* in a key */
    {LD_REASON_BAD_UTF8, 0, "$S,\"note\":\"\xff\",\"nps\":,"},   /* the first fault decides */

    {LD_REASON_NOT_JSON, 0, "hello"},
    {LD_REASON_NOT_JSON, 0, "{\"type\":\"survey\",\"id\":$i,\"touchp"},
    {LD_REASON_NOT_JSON, 0, "$S"},
    {LD_REASON_NOT_JSON, 0, "$S,$E"},
    {LD_REASON_NOT_JSON, 0, "$S,\"note\":NaN$E"},
    {LD_REASON_NOT_JSON, 0, "$S,\"note\":-Infinity$E"},
    {LD_REASON_NOT_JSON, 0, "$S,\"note\":01$E"},
    {LD_REASON_NOT_JSON, 0, "$S,\"note\":1.$E"},
    {LD_REASON_NOT_JSON, 0, "$S,\"note\":+1$E"},
    {LD_REASON_NOT_JSON, 0, "$S,\"note\":0x10$E"},
    {LD_REASON_NOT_JSON, 0, "$S,\"note\":True$E"},
    {LD_REASON_NOT_JSON, 0, "$S,\"note\":\"tab\tinside\"$E"},
    {LD_REASON_NOT_JSON, 0, "$S,\"note\":\"\\x41\"$E"},
    {LD_REASON_NOT_JSON, 0, "$S,'note':1$E"},
    {LD_REASON_NOT_JSON, 0, "$S,note:1$E"},
    {LD_REASON_NOT_JSON, 0, "\xef\xbb\xbf$S$E"}, /* byte order mark */
    {LD_REASON_NOT_JSON, 0, "$S$E$S$E"},
    {LD_REASON_NOT_JSON, 0, "$S$E ]"},
    {LD_REASON_NOT_JSON, 0, "$S,\"note\":$d$D$E"},
    {LD_REASON_NOT_JSON, 0, "$d"},
    {LD_REASON_NOT_JSON, 0, "$S,,\"note\":\"\xff\"$E"},
    {LD_REASON_NOT_JSON, KAFKA_ONLY, "$S,\"note\":\"line\nbreak\"$E"},
    {LD_REASON_NOT_JSON, KAFKA_ONLY, "  \r\n "},

    {LD_REASON_DUPLICATE_KEY, 0, "$S,\"type\":\"survey\"$E"},
    {LD_REASON_DUPLICATE_KEY, 0, "$S,\"nps\":9$E"},
    {LD_REASON_DUPLICATE_KEY, 0, "$S,\"note\":1,\"note\":1$E"},
    {LD_REASON_DUPLICATE_KEY, 0, "$S,\"note\":1,\"n\\u006fte\":2$E"},
    {LD_REASON_DUPLICATE_KEY, 0, "$S,\"note\":[{\"a\":1,\"b\":2,\"a\":null}]$E"},
    {LD_REASON_DUPLICATE_KEY, 0, "$S,\"note\":1,\"note\":2"},

    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"note\":1e999$E"},
    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"note\":-1E+400$E"},
    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"note\":9223372036854775808$E"},
    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"note\":-9223372036854775809$E"},
    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"note\":[1,123456789012345678901234567890]$E"},

    {LD_REASON_NOT_OBJECT, 0, "[]"},
    {LD_REASON_NOT_OBJECT, 0, "[$S$E]"},
    {LD_REASON_NOT_OBJECT, 0, "\"survey\""},
    {LD_REASON_NOT_OBJECT, 0, "42"},
    {LD_REASON_NOT_OBJECT, 0, "-0.5e-3"},
    {LD_REASON_NOT_OBJECT, 0, "null"},
    {LD_REASON_NOT_OBJECT, 0, "true"},

    {LD_REASON_MISSING_FIELD, 0, "{}"},
    {LD_REASON_MISSING_FIELD, 0, "{\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"nps\":9}"},
    {LD_REASON_MISSING_FIELD, 0, "{\"type\":null,\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"nps\":9}"},
    {LD_REASON_MISSING_FIELD, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":$t,\"nps\":9}"},
    {LD_REASON_MISSING_FIELD, 0, "{\"type\":\"contact\",\"id\":$i,\"time\":$t,\"touchpoint\":null}"},
    {LD_REASON_MISSING_FIELD, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":$t,\"nps\":11}"},
    {LD_REASON_MISSING_FIELD, 0, "{\"type\":\"complaint\",\"id\":$i,\"time\":$t,\"touchpoint\":$p}"},
    {LD_REASON_MISSING_FIELD, 0, "{\"type\":\"complaint\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"state\":null}"},
    {LD_REASON_MISSING_FIELD, 0, "{\"type\":\"survey\",\"id\":$i,\"touchpoint\":$p,\"nps\":9,\"op\":\"retract\"}"},
    {LD_REASON_MISSING_FIELD, 0, "$S,\"kano\":{\"functional\":1,\"dysfunctional\":5}$E"},
    {LD_REASON_MISSING_FIELD, 0, "$S,\"kano\":[{\"feature\":\"f\",\"functional\":1}]$E"},
    {LD_REASON_MISSING_FIELD, 0, "$S,\"kano\":{\"feature\":\"f\",\"dysfunctional\":5}$E"},

    {LD_REASON_WRONG_TYPE, 0, "{\"type\":7,\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"nps\":9}"},
    {LD_REASON_WRONG_TYPE, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":$t,\"touchpoint\":[$p],\"nps\":9}"},
    {LD_REASON_WRONG_TYPE, 0, "{\"type\":\"survey\",\"id\":17,\"time\":$t,\"touchpoint\":$p,\"nps\":9}"},
    {LD_REASON_WRONG_TYPE, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":true,\"touchpoint\":$p,\"nps\":9}"},
    {LD_REASON_WRONG_TYPE, 0, "$S,\"stage\":3$E"},
    {LD_REASON_WRONG_TYPE, 0, "$S,\"journey\":{}$E"},
    {LD_REASON_WRONG_TYPE, 0, "$S,\"customer\":12345$E"},
    {LD_REASON_WRONG_TYPE, NEEDS_SEGMENT, "$S,$s:7$E"},
    {LD_REASON_WRONG_TYPE, 0, "$S,\"op\":1$E"},
    {LD_REASON_WRONG_TYPE, 0, "$S,\"csat\":\"4\"$E"},
    {LD_REASON_WRONG_TYPE, 0, "$S,\"csat\":3.5$E"},
    {LD_REASON_WRONG_TYPE, 0, "$S,\"ces\":true$E"},
    {LD_REASON_WRONG_TYPE, 0, "$S,\"expectation\":[5]$E"},
    {LD_REASON_WRONG_TYPE, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"nps\":7.5}"},
    {LD_REASON_WRONG_TYPE, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"nps\":\"9\"}"},
    {LD_REASON_WRONG_TYPE, 0, "$S,\"kano\":\"attractive\"$E"},
    {LD_REASON_WRONG_TYPE, 0, "$S,\"kano\":[1]$E"},
    {LD_REASON_WRONG_TYPE, 0, "$S,\"kano\":{\"feature\":5,\"functional\":1,\"dysfunctional\":5}$E"},
    {LD_REASON_WRONG_TYPE, 0, "$S,\"kano\":{\"feature\":\"f\",\"functional\":\"1\",\"dysfunctional\":5}$E"},
    {LD_REASON_WRONG_TYPE, 0, "{\"type\":\"contact\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"outcome\":1}"},
    {LD_REASON_WRONG_TYPE, 0, "{\"type\":\"contact\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"wait_ms\":\"10\"}"},
    {LD_REASON_WRONG_TYPE, 0, "{\"type\":\"contact\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"handle_ms\":0.5}"},
    {LD_REASON_WRONG_TYPE, 0, "{\"type\":\"contact\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"first_contact\":\"yes\"}"},
    {LD_REASON_WRONG_TYPE, 0, "{\"type\":\"contact\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"resolvable\":0}"},
    {LD_REASON_WRONG_TYPE, 0, "{\"type\":\"complaint\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"state\":false}"},
    {LD_REASON_WRONG_TYPE, 0,
     "{\"type\":\"complaint\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"state\":\"closed\",\"satisfied\":1}"},
    {LD_REASON_WRONG_TYPE, 0,
     "{\"type\":\"complaint\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"state\":\"closed\",\"duration_ms\":[]}"},

    {LD_REASON_OUT_OF_RANGE, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"nps\":11}"},
    {LD_REASON_OUT_OF_RANGE, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"nps\":-1}"},
    {LD_REASON_OUT_OF_RANGE, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":$t,\"touchpoint\":$n,\"nps\":9}"},
    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"stage\":$n$E"},
    {LD_REASON_OUT_OF_RANGE, NEEDS_SEGMENT, "$S,$s:$n$E"},
    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"op\":\"delete\"$E"},
    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"csat\":0$E"},
    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"csat\":$c$E"},
    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"ces\":8$E"},
    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"expectation\":6$E"},
    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"expectation\":0$E"},
    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"kano\":{\"feature\":\"f\",\"functional\":0,\"dysfunctional\":5}$E"},
    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"kano\":{\"feature\":\"f\",\"functional\":1,\"dysfunctional\":6}$E"},
    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"kano\":{\"feature\":$n,\"functional\":1,\"dysfunctional\":5}$E"},
    {LD_REASON_OUT_OF_RANGE, 0, "$S,\"kano\":[$k]$E"},
    {LD_REASON_OUT_OF_RANGE, 0, "{\"type\":\"contact\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"outcome\":\"lost\"}"},
    {LD_REASON_OUT_OF_RANGE, 0, "{\"type\":\"contact\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"wait_ms\":-1}"},
    {LD_REASON_OUT_OF_RANGE, 0, "{\"type\":\"contact\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"wait_ms\":31536000001}"},
    {LD_REASON_OUT_OF_RANGE, 0, "{\"type\":\"contact\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"handle_ms\":1e15}"},
    {LD_REASON_OUT_OF_RANGE, 0, "{\"type\":\"complaint\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"state\":\"pending\"}"},
    {LD_REASON_OUT_OF_RANGE, 0,
     "{\"type\":\"complaint\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"state\":\"closed\",\"duration_ms\":31536000001}"},

    {LD_REASON_BAD_TIME, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":\"2024-05-01T10:00:00\",\"touchpoint\":$p,\"nps\":9}"},
    {LD_REASON_BAD_TIME, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":\"2024-05-01\",\"touchpoint\":$p,\"nps\":9}"},
    {LD_REASON_BAD_TIME, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":\"yesterday\",\"touchpoint\":$p,\"nps\":9}"},
    {LD_REASON_BAD_TIME, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":\"2023-02-29T10:00:00Z\",\"touchpoint\":$p,\"nps\":9}"},
    {LD_REASON_BAD_TIME, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":\"2024-13-01T10:00:00Z\",\"touchpoint\":$p,\"nps\":9}"},
    {LD_REASON_BAD_TIME, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":\"2024-05-01T25:00:00Z\",\"touchpoint\":$p,\"nps\":9}"},
    {LD_REASON_BAD_TIME, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":\"1999-12-31T23:59:59Z\",\"touchpoint\":$p,\"nps\":9}"},
    {LD_REASON_BAD_TIME, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":1700000000,\"touchpoint\":$p,\"nps\":9}"},
    {LD_REASON_BAD_TIME, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":946684799999,\"touchpoint\":$p,\"nps\":9}"},
    {LD_REASON_BAD_TIME, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":-1,\"touchpoint\":$p,\"nps\":9}"},
    {LD_REASON_BAD_TIME, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":\"1700000000000\",\"touchpoint\":$p,\"nps\":9}"},

    {LD_REASON_UNKNOWN_TYPE, 0, "{\"type\":\"visit\",\"id\":$i,\"time\":$t,\"touchpoint\":$p}"},
    {LD_REASON_UNKNOWN_TYPE, 0, "{\"type\":\"Survey\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"nps\":9}"},

    {LD_REASON_UNKNOWN_TOUCHPOINT, NEEDS_UNKNOWN,
     "{\"type\":\"survey\",\"id\":$i,\"time\":$t,\"touchpoint\":\"nobody-knows-it\",\"nps\":9}"},
    {LD_REASON_UNKNOWN_TOUCHPOINT, NEEDS_UNKNOWN,
     "{\"type\":\"contact\",\"id\":$i,\"time\":$t,\"touchpoint\":\"nobody-knows-it\",\"stage\":\"s\",\"journey\":\"j\"}"},

    {LD_REASON_NO_ANSWER, 0, "{\"type\":\"survey\",\"id\":$i,\"time\":$t,\"touchpoint\":$p}"},
    {LD_REASON_NO_ANSWER, 0,
     "{\"type\":\"survey\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"nps\":null,\"csat\":null,\"kano\":null}"},
    {LD_REASON_NO_ANSWER, 0,
     "{\"type\":\"survey\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"wait_ms\":5,\"outcome\":\"answered\"}"},
};

void ld_malformed_init(struct ld_malformed *malformed, const struct ld_encoder *encoder,
                       const struct ld_settings *settings, bool is_for_file)
{
    bool has_unknown = encoder->world->has_catalogue && settings->unknown_touchpoint == LD_UNKNOWN_DEADLETTER;
    *malformed = (struct ld_malformed){.encoder = encoder, .settings = settings, .is_for_file = is_for_file};
    malformed->rows = ld_alloc(LD_COUNT(rows), sizeof *malformed->rows);
    for (size_t i = 0; i < LD_COUNT(rows); i++) {
        if (((rows[i].flags & KAFKA_ONLY) != 0 && is_for_file) ||
            ((rows[i].flags & NEEDS_SEGMENT) != 0 && settings->segment_count == 0) ||
            ((rows[i].flags & NEEDS_UNKNOWN) != 0 && !has_unknown))
            continue;
        malformed->rows[malformed->row_count++] = i;
    }
}

void ld_malformed_deinit(struct ld_malformed *malformed)
{
    free(malformed->rows);
}

static char *put_text(char *out, const char *text)
{
    return stpcpy(out, text);
}

static char *put_repeated(char *out, char byte, size_t count)
{
    memset(out, byte, count);
    return out + count;
}

static char *put_many_answers(char *out)
{
    for (int i = 0; i <= LD_KANO_MAX; i++)
        out = put_text(out, i == 0 ? "{\"feature\":\"f\",\"functional\":1,\"dysfunctional\":5}"
                                   : ",{\"feature\":\"f\",\"functional\":1,\"dysfunctional\":5}");
    return out;
}

static char *put_filling(const struct ld_malformed *malformed, char *out, uint64_t noise)
{
    size_t rest = (size_t)malformed->settings->event_bytes_max;
    while (rest > 0) {
        size_t some = rest < LD_PADDING_BYTES / 2 ? rest : LD_PADDING_BYTES / 2;
        memcpy(out, malformed->encoder->padding + noise % (LD_PADDING_BYTES / 2), some);
        out += some;
        rest -= some;
    }
    return out;
}

struct filling {
    const struct ld_malformed *malformed;
    const struct ld_message *message;
    int64_t time_ms;
    uint64_t noise;
};

static char *expand(const struct filling *with, char *out, const char *text);

static char *expand_one(const struct filling *with, char *out, char letter)
{
    const struct ld_world *world = with->malformed->encoder->world;
    switch (letter) {
    case 'i':
        *out++ = '"';
        out += ld_encode_id(with->malformed->encoder, with->message->number, out);
        *out++ = '"';
        return out;
    case 't':
        return ld_put_number(out, with->time_ms);
    case 'p':
        return put_text(out, world->touchpoints[with->noise % world->touchpoint_count].name.json);
    case 'c':
        return ld_put_number(out, with->malformed->settings->csat_max + 1);
    case 's': {
        char *quoted = ld_json_quote(with->malformed->settings->segments[0], false);
        out = put_text(out, quoted);
        free(quoted);
        return out;
    }
    case 'n':
        *out++ = '"';
        out = put_repeated(out, 'n', 129);
        *out++ = '"';
        return out;
    case 'd':
        return put_repeated(out, '[', 100);
    case 'D':
        return put_repeated(out, ']', 100);
    case 'k':
        return put_many_answers(out);
    case 'b':
        return put_filling(with->malformed, out, with->noise);
    case 'S':
        return expand(with, out, "{\"type\":\"survey\",\"id\":$i,\"time\":$t,\"touchpoint\":$p,\"nps\":9");
    default:
        return put_text(out, "}");
    }
}

static char *expand(const struct filling *with, char *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '$')
            out = expand_one(with, out, *++text);
        else
            *out++ = *text;
    }
    return out;
}

void ld_malformed_make(const struct ld_malformed *malformed, size_t row, int64_t time_ms, uint64_t noise,
                       struct ld_message *message)
{
    const struct row *kind = &rows[malformed->rows[row]];
    struct filling with = {malformed, message, time_ms, noise};
    char *start = malformed->encoder->buffer;
    message->reason = kind->reason;
    message->event = NULL;
    message->header_count = 0;
    message->key_bytes = ld_encode_id(malformed->encoder, message->number, message->key);
    message->value = kind->text == NULL ? NULL : start;
    message->value_bytes = kind->text == NULL ? 0 : (size_t)(expand(&with, start, kind->text) - start);
}
