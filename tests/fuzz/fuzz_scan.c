/* The scanner by every set of instructions of this machine against the reference, on
 * arbitrary bytes (decode_input.h says how they are read): the same reason, the same detail,
 * every field of the event the same. The value lies flush against a page that must not be
 * touched, behind it or before it. */
#include "../unit/guarded.h"
#include "../unit/codec/same_event.h"
#include "codec.h"
#include "decode_input.h"
#include "scan.h"

#include <stdlib.h>

enum { REFERENCE = DL_INSTRUCTION_SETS };

static struct dl_decoder *decoders[2][DL_INSTRUCTION_SETS + 1]; /* [with catalogue]; NULL: not on this machine */
static struct guarded guarded;

static void build(void)
{
    guarded = guarded_create(4096);
    const struct dl_catalogue *catalogue = input_catalogue();
    for (int known = 0; known < 2; known++) {
        struct dl_decode_options options = input_options(known == 1 ? catalogue : NULL);
        for (int i = 0; i <= DL_INSTRUCTION_SETS; i++) {
            decoders[known][i] = dl_decoder_create(&options);
            DL_ASSERT(decoders[known][i] != NULL);
            if (!dl_decoder_scan_by(decoders[known][i], (enum dl_instructions)i)) {
                dl_decoder_destroy(decoders[known][i]);
                decoders[known][i] = NULL;
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (guarded.start == NULL)
        build();
    struct input input;
    read_input(&input, (const char *)data, bytes);
    if (input.message.value_bytes > guarded.bytes)
        return 0;
    struct dl_decoder *const *of = decoders[input.envelope == WITH_CATALOGUE];

    struct dl_event expected, event;
    char expected_detail[DL_DETAIL_SIZE], detail[DL_DETAIL_SIZE];
    enum dl_reject reason = dl_decode(of[REFERENCE], &input.message, input.now_ms, &expected, expected_detail);
    DL_ASSERT(dl_decoder_scanned(of[REFERENCE]) == 0);
    for (int at_end = 0; at_end < 2; at_end++) {
        struct dl_message placed = input.message;
        placed.value = guarded_place(&guarded, placed.value, placed.value_bytes, at_end == 1);
        for (int i = 0; i < DL_INSTRUCTION_SETS; i++) {
            if (of[i] == NULL)
                continue;
            if (at_end == 0) /* anew: at first no key is learned, then all are that may be, whatever came before */
                DL_ASSERT(dl_decoder_scan_by(of[i], (enum dl_instructions)i));
            DL_ASSERT(dl_decode(of[i], &placed, input.now_ms, &event, detail) == reason);
            DL_ASSERT(strcmp(detail, expected_detail) == 0);
            DL_ASSERT(reason != DL_ACCEPTED || same_event(&event, &expected, INPUT_SEGMENTS));
        }
    }
    for (int i = 0; i < DL_INSTRUCTION_SETS; i++)
        DL_ASSERT(of[i] == NULL || dl_decoder_scanned(of[i]) == dl_decoder_scanned(of[DL_PORTABLE]));
    return 0;
}
