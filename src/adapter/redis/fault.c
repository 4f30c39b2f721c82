#include "fault.h"

#include <stddef.h>
#include <string.h>

static const struct {
    int rank;
    bool while_up;
    const char *sentence;
} faults[DL_FAULTS] = {
#define DL_FAULT_ROW(name_, rank_, while_up_, sentence_) \
    [DL_FAULT_##name_] = {.rank = (rank_), .while_up = (while_up_), .sentence = (sentence_)},
    DL_FAULT_MAP(DL_FAULT_ROW)
#undef DL_FAULT_ROW
};

int dl_fault_rank(enum dl_fault fault)
{
    return faults[fault].rank;
}

bool dl_fault_while_up(enum dl_fault fault)
{
    return faults[fault].while_up;
}

const char *dl_fault_sentence(enum dl_fault fault)
{
    return faults[fault].sentence;
}

const char *dl_fault_script_error(const char *error)
{
    /* Redis 6: "ERR Error running script (call to f_…): @user_script:9: @user_script: 9: -READONLY You …" */
    if (strncmp(error, "ERR Error running script", 24) != 0)
        return error;
    const char *inner = NULL;
    for (const char *found = strstr(error, ": -"); found; found = strstr(found + 1, ": -"))
        inner = found + 3;
    return inner ? inner : error;
}

enum dl_fault dl_fault_of_error(const char *error)
{
    static const struct {
        const char *code;
        enum dl_fault fault;
    } codes[] = {
        {"LOADING ", DL_FAULT_LOADING},       {"READONLY ", DL_FAULT_READONLY}, {"MASTERDOWN ", DL_FAULT_MASTERDOWN},
        {"NOAUTH ", DL_FAULT_NOAUTH},         {"MOVED ", DL_FAULT_CLUSTER},     {"ASK ", DL_FAULT_CLUSTER},
        {"CLUSTERDOWN ", DL_FAULT_CLUSTER},   {"CROSSSLOT ", DL_FAULT_CLUSTER},
    };
    error = dl_fault_script_error(error);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strncmp(error, codes[i].code, strlen(codes[i].code)) == 0)
            return codes[i].fault;
    /* A cluster node that owns the fence's slot refuses the script's other keys in these words. */
    if (strstr(error, "non local key in a cluster") || strstr(error, "not allowed in cluster mode"))
        return DL_FAULT_CLUSTER;
    return DL_FAULT_NONE;
}
