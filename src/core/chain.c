#include <delight/chain.h>

#include "hash.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

enum { TOPIC_BYTES_MAX = 249 };

struct part {
    uint32_t topic; /* index into topics */
    int32_t partition;
    int64_t first, next;
};

/* Two indexes: name to topic, (topic, partition) to part. */
struct dl_chain {
    struct dl_name *topics; /* owned copies */
    struct part *parts;
    uint32_t topic_count, topic_capacity, part_count, part_capacity;
    struct dl_table topic_table, part_table;
    uint64_t seed;
};

struct dl_chain *dl_chain_create(void)
{
    struct dl_chain *chain = calloc(1, sizeof *chain);
    if (chain != NULL)
        chain->seed = dl_hash_seed(chain);
    return chain;
}

void dl_chain_destroy(struct dl_chain *chain)
{
    if (chain == NULL)
        return;
    for (uint32_t i = 0; i < chain->topic_count; i++)
        free((char *)chain->topics[i].data);
    free(chain->topics);
    free(chain->parts);
    dl_table_deinit(&chain->topic_table);
    dl_table_deinit(&chain->part_table);
    free(chain);
}

static uint64_t part_hash(const struct dl_chain *chain, uint32_t topic, int32_t partition)
{
    const uint32_t key[2] = {topic, (uint32_t)partition};
    return dl_hash(key, sizeof key, chain->seed);
}

static uint32_t find_topic(const struct dl_chain *chain, struct dl_name name)
{
    DL_ASSERT(name.bytes >= 1 && name.bytes <= TOPIC_BYTES_MAX);
    struct dl_table_cursor cursor = dl_table_look(&chain->topic_table, dl_hash(name.data, name.bytes, chain->seed));
    uint32_t topic;
    while ((topic = dl_table_next(&chain->topic_table, &cursor)) != DL_TABLE_NONE)
        if (dl_name_equal(chain->topics[topic], name))
            return topic;
    return DL_TABLE_NONE;
}

static struct part *find_part(const struct dl_chain *chain, uint32_t topic, int32_t partition)
{
    if (topic == DL_TABLE_NONE)
        return NULL;
    struct dl_table_cursor cursor = dl_table_look(&chain->part_table, part_hash(chain, topic, partition));
    for (uint32_t at; (at = dl_table_next(&chain->part_table, &cursor)) != DL_TABLE_NONE;)
        if (chain->parts[at].topic == topic && chain->parts[at].partition == partition)
            return &chain->parts[at];
    return NULL;
}

enum dl_chain_verdict dl_chain_judge(const struct dl_chain *chain, const struct dl_chain_link *link, int64_t *expected)
{
    DL_ASSERT(link->from >= 0 && link->from <= link->next);
    const struct part *part = find_part(chain, find_topic(chain, link->topic), link->partition);
    *expected = part == NULL ? link->from : part->next;
    if (link->from == *expected)
        return DL_CHAIN_GOOD;
    return link->from > *expected ? DL_CHAIN_GAP : DL_CHAIN_OVERLAP;
}

/* Makes an array hold one more. */
static enum dl_status grow(void **array, uint32_t count, uint32_t *capacity, size_t item)
{
    if (count < *capacity)
        return DL_OK;
    uint32_t larger = *capacity == 0 ? 16 : *capacity * 2;
    void *memory = realloc(*array, larger * item);
    if (memory == NULL)
        return DL_MEMORY;
    *array = memory;
    *capacity = larger;
    return DL_OK;
}

static enum dl_status add_topic(struct dl_chain *chain, struct dl_name name, uint32_t *topic)
{
    void *topics = chain->topics;
    enum dl_status status = grow(&topics, chain->topic_count, &chain->topic_capacity, sizeof *chain->topics);
    chain->topics = topics;
    if (status == DL_OK)
        status = dl_table_reserve(&chain->topic_table, 1);
    char *copy = status == DL_OK ? malloc(name.bytes) : NULL;
    if (copy == NULL)
        return DL_MEMORY;
    memcpy(copy, name.data, name.bytes);
    *topic = chain->topic_count++;
    chain->topics[*topic] = (struct dl_name){.data = copy, .bytes = name.bytes};
    dl_table_put(&chain->topic_table, dl_hash(copy, name.bytes, chain->seed), *topic);
    return DL_OK;
}

enum dl_status dl_chain_take(struct dl_chain *chain, const struct dl_chain_link *link)
{
    DL_ASSERT(link->from >= 0 && link->from <= link->next);
    uint32_t topic = find_topic(chain, link->topic);
    struct part *known = find_part(chain, topic, link->partition);
    if (known != NULL) {
        known->next = link->next;
        return DL_OK;
    }
    void *parts = chain->parts;
    enum dl_status status = grow(&parts, chain->part_count, &chain->part_capacity, sizeof *chain->parts);
    chain->parts = parts;
    if (status == DL_OK)
        status = dl_table_reserve(&chain->part_table, 1);
    if (status == DL_OK && topic == DL_TABLE_NONE)
        status = add_topic(chain, link->topic, &topic); /* last: a topic without a part would be a change */
    if (status != DL_OK)
        return status;
    dl_table_put(&chain->part_table, part_hash(chain, topic, link->partition), chain->part_count);
    chain->parts[chain->part_count++] =
        (struct part){.topic = topic, .partition = link->partition, .first = link->from, .next = link->next};
    return DL_OK;
}

int64_t dl_chain_next(const struct dl_chain *chain, struct dl_name topic, int32_t partition)
{
    const struct part *part = find_part(chain, find_topic(chain, topic), partition);
    return part == NULL ? -1 : part->next;
}

size_t dl_chain_count(const struct dl_chain *chain)
{
    return chain->part_count;
}

struct dl_chain_link dl_chain_at(const struct dl_chain *chain, size_t index)
{
    DL_ASSERT(index < chain->part_count);
    const struct part *part = &chain->parts[index];
    return (struct dl_chain_link){.topic = chain->topics[part->topic], .partition = part->partition, .from = part->first,
                                  .next = part->next};
}
