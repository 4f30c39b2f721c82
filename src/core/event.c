#include <delight/event.h>

static const struct {
    const char *word;
    const char *sentence;
} rejects[DL_REJECTS] = {
    [DL_ACCEPTED] = {"accepted", "an event"},
#define REJECT_ROW(name, word_, sentence_) [DL_REJECT_##name] = {word_, sentence_},
    DL_REJECT_MAP(REJECT_ROW)
#undef REJECT_ROW
};

const char *dl_reject_word(enum dl_reject reject)
{
    DL_ASSERT((unsigned)reject < DL_REJECTS);
    return rejects[reject].word;
}

const char *dl_reject_sentence(enum dl_reject reject)
{
    DL_ASSERT((unsigned)reject < DL_REJECTS);
    return rejects[reject].sentence;
}
