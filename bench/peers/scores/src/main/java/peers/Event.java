package peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;

/** The fields of a feedback event that the scores need; one object is used again for every record. */
public final class Event {
    private static final JsonFactory JSON = new JsonFactory();

    String touchpoint;
    String stage; // null: none
    long timeMs;
    int nps; // below 0: not answered
    int csat;
    boolean isRetraction;

    /** Jackson's streaming parser: no tree, no object per event. False: not an event that counts. */
    public boolean read(byte[] json, long recordTimeMs) {
        touchpoint = null;
        stage = null;
        timeMs = recordTimeMs;
        nps = -1;
        csat = -1;
        isRetraction = false;
        boolean isSurvey = false;
        try (JsonParser parser = JSON.createParser(json)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return false;
            }
            for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                JsonToken value = parser.nextToken();
                switch (name) {
                    case "type" -> isSurvey = "survey".equals(parser.getText());
                    case "touchpoint" -> touchpoint = parser.getText();
                    case "stage" -> stage = value == JsonToken.VALUE_STRING ? parser.getText() : null;
                    case "time" -> timeMs = time(parser, value, recordTimeMs);
                    case "nps" -> nps = number(parser, value);
                    case "csat" -> csat = number(parser, value);
                    case "op" -> isRetraction = value == JsonToken.VALUE_STRING && "retract".equals(parser.getText());
                    default -> parser.skipChildren();
                }
            }
        } catch (IOException | DateTimeParseException fault) {
            return false;
        }
        if (!isSurvey) {
            nps = -1;
            csat = -1;
        }
        return touchpoint != null;
    }

    private static int number(JsonParser parser, JsonToken value) throws IOException {
        if (!value.isNumeric()) {
            parser.skipChildren();
            return -1;
        }
        return parser.getIntValue();
    }

    private static long time(JsonParser parser, JsonToken value, long otherwise) throws IOException {
        if (value.isNumeric()) {
            return parser.getLongValue();
        }
        if (value != JsonToken.VALUE_STRING) {
            return otherwise;
        }
        String text = parser.getText();
        return isPlain(text) ? plain(text) : OffsetDateTime.parse(text).toInstant().toEpochMilli();
    }

    /** 2026-11-29T19:01:26.120Z, as nearly every producer writes it: java.time takes a microsecond for that. */
    private static boolean isPlain(String text) {
        return text.length() == 24 && text.charAt(23) == 'Z' && text.charAt(19) == '.' && text.charAt(10) == 'T';
    }

    private static long plain(String text) {
        long year = digits(text, 0, 4);
        long month = digits(text, 5, 7);
        // Days since 1970 of the proleptic Gregorian calendar, the year beginning in March.
        long y = month <= 2 ? year - 1 : year;
        long ofYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + digits(text, 8, 10) - 1;
        long days = 365 * y + y / 4 - y / 100 + y / 400 + ofYear - 719468;
        long seconds = days * 86400 + digits(text, 11, 13) * 3600 + digits(text, 14, 16) * 60 + digits(text, 17, 19);
        return seconds * 1000 + digits(text, 20, 23);
    }

    private static long digits(String text, int from, int to) {
        long value = 0;
        for (int i = from; i < to; i++) {
            value = value * 10 + text.charAt(i) - '0';
        }
        return value;
    }
}
