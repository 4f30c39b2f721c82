/* The fields of each event type, in the order of DESIGN 4. A new measure's event
 * field is read here. Each leaves absent fields of the event as they are. */
#pragma once

#include "field.h"

enum dl_reject dl_read_survey(const struct dl_fields *fields, int csat_max, struct dl_event *event);
enum dl_reject dl_read_contact(const struct dl_fields *fields, struct dl_event *event);
enum dl_reject dl_read_complaint(const struct dl_fields *fields, struct dl_event *event);
