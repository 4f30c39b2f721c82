/* Full names of subjects as somebody types them. Pure. */
#pragma once

#include <delight/engine.h>

#include <stddef.h>

/* Room for any full name and any group, and its NUL (subject_text.c has the sum). */
enum { DL_SUBJECT_TEXT_MAX = 4096, DL_NEAR_MAX = 5 };

/* As it stands in keys: blanks and control characters percent-encoded; the signs that part a name stay. out has
 * DL_SUBJECT_TEXT_MAX bytes. false: too long. */
bool dl_subject_text_encode(char *out, const char *typed);

/* The group that a full name is listed in: "touchpoint:T|tier=vip" is in "touchpoint|tier=vip", "journey:J|stage=S" in
 * "journey_stage". group has DL_SUBJECT_TEXT_MAX bytes. false: no kind begins like that. */
bool dl_subject_text_group(char *group, const char *subject);

/* Those of the names that are most like `wanted`: by the fewest letters to be changed, put in or left out, and if there are
 * none so near, those that contain its last part. near has room for DL_NEAR_MAX; returns their number. Borrowed. */
size_t dl_subject_text_near(const char *wanted, char *const *names, size_t count, const char **near);
