#include "subject_text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* "journey:" name "|stage=" name "|" segment "=" value: each byte of a name is three at most, encoded. */
_Static_assert(32 + 4 * 3 * DL_NAME_BYTES_MAX < DL_SUBJECT_TEXT_MAX, "every subject has room");

bool dl_subject_text_encode(char *out, const char *typed)
{
    size_t bytes = 0;
    for (; *typed != '\0'; typed++) {
        unsigned char byte = (unsigned char)*typed;
        bool encoded = byte <= ' ' || byte == 0x7f;
        if (bytes + (encoded ? 3 : 1) >= DL_SUBJECT_TEXT_MAX)
            return false;
        if (encoded)
            bytes += (size_t)sprintf(out + bytes, "%%%02X", byte);
        else
            out[bytes++] = *typed;
    }
    out[bytes] = '\0';
    return true;
}

bool dl_subject_text_group(char *group, const char *subject)
{
    size_t head = strcspn(subject, ":|");
    const char *bar = strchr(subject, '|');
    int kind = 0;
    for (; kind < DL_KINDS; kind++) {
        const char *name = dl_kind_name((enum dl_kind)kind);
        if (kind != DL_KIND_JOURNEY_STAGE && strlen(name) == head && memcmp(name, subject, head) == 0)
            break;
    }
    if (kind == DL_KINDS || (kind == DL_KIND_ALL) == (subject[head] == ':') || (kind != DL_KIND_ALL && subject[head] != ':'))
        return false;
    if (kind == DL_KIND_JOURNEY && bar != NULL && strncmp(bar, "|stage=", strlen("|stage=")) == 0) {
        kind = DL_KIND_JOURNEY_STAGE;
        bar = strchr(bar + 1, '|');
    }
    snprintf(group, DL_SUBJECT_TEXT_MAX, "%s%s", dl_kind_name((enum dl_kind)kind), bar == NULL ? "" : bar);
    return true;
}

/* ---- Likeness ---- */

enum { COMPARED_MAX = 128, NOT_NEAR = 1000 };

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Letters changed, put in, left out, or exchanged with their neighbour (optimal string alignment); bytes, case is not looked at. */
static int distance(const char *a, const char *b)
{
    int rows[3][COMPARED_MAX + 1];
    size_t a_bytes = strlen(a), b_bytes = strlen(b);
    if (a_bytes > COMPARED_MAX || b_bytes > COMPARED_MAX)
        return NOT_NEAR;
    for (size_t j = 0; j <= b_bytes; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= a_bytes; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= b_bytes; j++) {
            char x = lower(a[i - 1]), y = lower(b[j - 1]);
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && lower(a[i - 2]) == y)
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a_bytes % 3][b_bytes];
}

/* What was typed behind the kind. */
static const char *own_part(const char *subject)
{
    const char *colon = strchr(subject, ':');
    return colon == NULL ? subject : colon + 1;
}

size_t dl_subject_text_near(const char *wanted, char *const *names, size_t count, const char **near)
{
    int score[DL_NEAR_MAX];
    size_t found = 0, own_bytes = strlen(own_part(wanted));
    int near_enough = own_bytes < 8 ? 2 : (int)own_bytes / 4;
    for (size_t i = 0; i < count; i++) {
        int own = distance(wanted, names[i]);
        bool inside = own_bytes >= 2 && strcasestr(own_part(names[i]), own_part(wanted)) != NULL;
        if (own > near_enough && !inside)
            continue;
        own = own > near_enough ? NOT_NEAR : own;
        size_t at = found < DL_NEAR_MAX ? found : DL_NEAR_MAX;
        while (at > 0 && score[at - 1] > own)
            at--;
        if (at == DL_NEAR_MAX)
            continue;
        found += found < DL_NEAR_MAX;
        memmove(near + at + 1, near + at, (found - at - 1) * sizeof *near);
        memmove(score + at + 1, score + at, (found - at - 1) * sizeof *score);
        near[at] = names[i];
        score[at] = own;
    }
    return found;
}
