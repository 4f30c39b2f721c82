/* The table of published fields: what each is called, counts in and means. */
#include <delight/score.h>

#include <string.h>

/* The group of a field, from the map that the ids come from. */
enum field_group {
#define FIELD_GROUP(group, name) GROUP_OF_##name = DL_SCORES_##group,
    DL_FIELD_MAP(FIELD_GROUP)
#undef FIELD_GROUP
};

/* A figure on its own; a value that n answers or contacts stand behind; and such
 * a value that subjects are ranked and followed by. */
#define FIGURE(name_, unit_, help_) ROW(name_, unit_, -1, -1, false, NEITHER, help_)
#define VALUE(name_, unit_, n_, help_) ROW(name_, unit_, DL_FIELD_##n_, -1, false, NEITHER, help_)
#define MEASURE(name_, unit_, better_, n_, help_) ROW(name_, unit_, DL_FIELD_##n_, -1, true, better_, help_)
#define ROW(name_, unit_, n_, n_also_, measure_, better_, help_)                                     \
    [DL_FIELD_##name_] = {.name = #name_, .group = (enum dl_score_group)GROUP_OF_##name_,           \
                          .unit = unit_, .n = n_, .n_also = n_also_, .measure = measure_, .better = DL_BETTER_##better_, .help = help_}
/* n is the sum of two counts. */
#define WITH_OUTCOME(name_, measure_, better_, help_) \
    ROW(name_, "%", DL_FIELD_answered, DL_FIELD_abandoned, measure_, better_, help_)
#define LOW "lower end of its 95 % interval"
#define HIGH "upper end of its 95 % interval"

const struct dl_field dl_fields[DL_FIELDS] = {
    FIGURE(as_of, "epoch ms", "the clock at which the window ends"),
    FIGURE(window_ms, "ms", "length of the window"),
    FIGURE(events, "", "events counted, retractions taken off; of a feature, its Kano answers"),

    FIGURE(nps_n, "", "answers to the recommendation question"),
    MEASURE(nps, "-100..100", HIGHER, nps_n, "Net Promoter Score: share of promoters minus share of detractors"),
    VALUE(nps_low, "-100..100", nps_n, LOW " (adjusted Wald)"),
    VALUE(nps_high, "-100..100", nps_n, HIGH " (adjusted Wald)"),
    FIGURE(promoters, "", "answers 9 and 10"),
    FIGURE(passives, "", "answers 7 and 8"),
    FIGURE(detractors, "", "answers 0 to 6"),

    FIGURE(csat_n, "", "answers to the satisfaction question"),
    MEASURE(csat, "%", HIGHER, csat_n, "satisfied customers: share of the top answers (csat_top and above)"),
    VALUE(csat_low, "%", csat_n, LOW " (Wilson)"),
    VALUE(csat_high, "%", csat_n, HIGH " (Wilson)"),
    MEASURE(csat_mean, "1..csat_max", HIGHER, csat_n, "mean satisfaction on the scale of the question"),

    FIGURE(ces_n, "", "answers to the effort question"),
    MEASURE(ces, "%", HIGHER, ces_n, "Customer Effort Score 2.0: share of 5 to 7, who found it easy"),
    VALUE(ces_low, "%", ces_n, LOW " (Wilson)"),
    VALUE(ces_high, "%", ces_n, HIGH " (Wilson)"),
    MEASURE(ces_mean, "1..7", HIGHER, ces_n, "mean ease, 7 is very easy"),

    FIGURE(expectation_n, "", "answers to the expectation question"),
    MEASURE(delight, "%", HIGHER, expectation_n, "delighted customers: share of 5, much better than expected"),
    VALUE(delight_low, "%", expectation_n, LOW " (Wilson)"),
    VALUE(delight_high, "%", expectation_n, HIGH " (Wilson)"),
    MEASURE(expectation_mean, "-2..2", HIGHER, expectation_n, "net disconfirmation: mean of answer minus 3, 0 is as expected"),

    FIGURE(kano_n, "", "answers to Kano questions"),
    FIGURE(kano_attractive, "", "answers that delight when fulfilled and do not annoy when not"),
    FIGURE(kano_one_dimensional, "", "answers for which more is better and less is worse"),
    FIGURE(kano_must_be, "", "answers that take it for granted and miss it when it lacks"),
    FIGURE(kano_indifferent, "", "answers that do not care"),
    FIGURE(kano_reverse, "", "answers that would rather not have it"),
    FIGURE(kano_questionable, "", "answers that contradict themselves"),
    VALUE(kano_category, "word", kano_n, "most frequent category; on a tie the first of M, O, A, I, R, Q"),
    MEASURE(kano_better, "0..1", HIGHER, kano_n, "satisfaction coefficient: (A+O)/(A+O+M+I)"),
    MEASURE(kano_worse, "-1..0", NEITHER, kano_n, "dissatisfaction coefficient: -(O+M)/(A+O+M+I)"),
    VALUE(kano_category_strength, "%", kano_n, "lead of the most frequent category over the second"),
    VALUE(kano_total_strength, "%", kano_n, "share of A, O and M: who wants the feature at all"),
    VALUE(kano_significant, "0 or 1", kano_n,
          "Fong's test of the two largest of A, O, M, I, R; between equals it errs in about 20 % of samples"),

    FIGURE(contacts, "", "contacts and visits"),
    FIGURE(answered, "", "contacts that were answered"),
    FIGURE(abandoned, "", "contacts that were abandoned before an answer"),
    WITH_OUTCOME(abandonment, true, LOWER, "abandonment rate: abandoned of answered and abandoned"),
    WITH_OUTCOME(abandonment_low, false, NEITHER, LOW " (Wilson)"),
    WITH_OUTCOME(abandonment_high, false, NEITHER, HIGH " (Wilson)"),
    FIGURE(service_level_n, "", "contacts in the denominator of the service level"),
    MEASURE(service_level, "%", HIGHER, service_level_n,
            "answered within the threshold, by service_level.formula; formula 4 rises when callers hang up early"),
    VALUE(service_level_low, "%", service_level_n, LOW " (Wilson)"),
    VALUE(service_level_high, "%", service_level_n, HIGH " (Wilson)"),
    FIGURE(asa_n, "", "answered contacts with a waiting time"),
    MEASURE(asa_ms, "ms", LOWER, asa_n, "average speed of answer: mean wait of answered contacts"),
    FIGURE(wait_n, "", "contacts with a waiting time, whatever their outcome"),
    MEASURE(wait_p50_ms, "ms", LOWER, wait_n, "median waiting time, to 1/16"),
    MEASURE(wait_p95_ms, "ms", LOWER, wait_n, "waiting time that 95 % do not exceed, to 1/16; 24 h stands for longer"),
    FIGURE(handle_n, "", "contacts with a handling time"),
    MEASURE(aht_ms, "ms", LOWER, handle_n, "average handling time"),
    MEASURE(handle_p50_ms, "ms", LOWER, handle_n, "median handling time, to 1/16"),
    MEASURE(handle_p95_ms, "ms", LOWER, handle_n, "handling time that 95 % do not exceed, to 1/16; 24 h stands for longer"),
    FIGURE(fcr_n, "", "contacts that say whether they were resolved at first contact"),
    MEASURE(fcr, "%", HIGHER, fcr_n, "first contact resolution"),
    VALUE(fcr_low, "%", fcr_n, LOW " (Wilson)"),
    VALUE(fcr_high, "%", fcr_n, HIGH " (Wilson)"),
    FIGURE(fcr_net_n, "", "those among them that could be resolved at first contact"),
    MEASURE(fcr_net, "%", HIGHER, fcr_net_n, "net first contact resolution: without what could not be resolved there"),

    FIGURE(complaints, "", "complaints opened"),
    MEASURE(complaint_rate, "per 1000", LOWER, contacts, "complaints opened per 1000 contacts"),
    FIGURE(complaints_closed, "", "complaints closed"),
    FIGURE(recovery_n, "", "closed complaints that say whether the customer was satisfied"),
    MEASURE(recovery_rate, "%", HIGHER, recovery_n, "service recovery: closed to the customer's satisfaction"),
    VALUE(recovery_low, "%", recovery_n, LOW " (Wilson)"),
    VALUE(recovery_high, "%", recovery_n, HIGH " (Wilson)"),
    FIGURE(recovery_duration_n, "", "closed complaints that say how long they took"),
    MEASURE(recovery_mean_ms, "ms", LOWER, recovery_duration_n, "mean time to close a complaint"),
};

const char *dl_score_group_name(enum dl_score_group group)
{
    static const char *const names[DL_SCORE_GROUPS] = {
        [DL_SCORES_ALWAYS] = "always", [DL_SCORES_NPS] = "nps",           [DL_SCORES_CSAT] = "csat",
        [DL_SCORES_CES] = "ces",       [DL_SCORES_DELIGHT] = "delight",   [DL_SCORES_KANO] = "kano",
        [DL_SCORES_CONTACTS] = "contacts", [DL_SCORES_COMPLAINTS] = "complaints",
    };
    DL_ASSERT((unsigned)group < DL_SCORE_GROUPS);
    return names[group];
}

int dl_field_find(const char *name, size_t bytes)
{
    for (int id = 0; id < DL_FIELDS; id++) {
        if (strlen(dl_fields[id].name) == bytes && memcmp(dl_fields[id].name, name, bytes) == 0)
            return id;
    }
    return -1;
}

bool dl_field_interval(int id, int *low, int *high)
{
    const char *name = id + 2 < DL_FIELDS ? dl_fields[id + 1].name : "";
    size_t bytes = strlen(name);
    if (!dl_fields[id].measure || bytes < 4 || strcmp(name + bytes - 4, "_low") != 0)
        return false;
    *low = id + 1;
    *high = id + 2;
    return true;
}

/* The field or fields that say how many stand behind this one, each name between quotes. */
static void print_n(FILE *out, const struct dl_field *field, const char *quote)
{
    if (field->n >= 0)
        fprintf(out, "%s%s%s", quote, dl_fields[field->n].name, quote);
    if (field->n_also >= 0)
        fprintf(out, " + %s%s%s", quote, dl_fields[field->n_also].name, quote);
}

void dl_fields_print_markdown(FILE *out)
{
    fputs("| group | field | unit | n | measure | meaning |\n| --- | --- | --- | --- | --- | --- |\n", out);
    for (int id = 0; id < DL_FIELDS; id++) {
        const struct dl_field *field = &dl_fields[id];
        fprintf(out, "| %s | `%s` | %s | ", dl_score_group_name(field->group), field->name, field->unit);
        print_n(out, field, "`");
        fprintf(out, " | %s | %s |\n", field->measure ? "yes" : "", field->help);
    }
}

void dl_fields_print_text(FILE *out)
{
    for (int id = 0; id < DL_FIELDS; id++) {
        const struct dl_field *field = &dl_fields[id];
        if (id == 0 || field->group != dl_fields[id - 1].group)
            fprintf(out, "%s%s\n", id == 0 ? "" : "\n", dl_score_group_name(field->group));
        fprintf(out, "  %-23s %-12s %s", field->name, field->unit, field->help);
        if (field->n >= 0) {
            fputs(" [", out);
            print_n(out, field, "");
            fputc(']', out);
        }
        fputc('\n', out);
    }
}

struct dl_value dl_score_n(const struct dl_scores *scores, int field)
{
    const struct dl_field *row = &dl_fields[field];
    if (row->n < 0)
        return (struct dl_value){.kind = DL_VALUE_NONE};
    struct dl_value n = scores->value[row->n];
    if (row->n_also >= 0 && n.kind == DL_VALUE_INTEGER && scores->value[row->n_also].kind == DL_VALUE_INTEGER)
        n.integer += scores->value[row->n_also].integer;
    return n;
}
