/* The fence. KEYS[1]: cx:owner; ARGV: token, "1" if we wrote the owner before,
 * then commands: count of words, words, count, words …
 *
 * Lua's numbers are doubles: tokens are exact below 2^53. unpack can take some
 * 8000 words; a hash of all fields has 140. `?HSET` is HSET on a hash that is
 * there: one that was evicted or has expired must not come back in part, so the
 * index of the command goes into the answer and the whole hash is written. */
#include "view.h"

const char dl_fence_script[] =
    "local owner = redis.call('GET', KEYS[1])\n"
    "if owner then\n"
    "  local number = tonumber(owner)\n"
    "  if number and number > tonumber(ARGV[1]) then return {'fenced', owner} end\n"
    "elseif ARGV[2] == '1' then\n"
    "  return {'forgotten'}\n"
    "end\n"
    "if owner ~= ARGV[1] then redis.call('SET', KEYS[1], ARGV[1]) end\n"
    "local answer, command, at = {'ok'}, 0, 3\n"
    "while at <= #ARGV do\n"
    "  local last = at + tonumber(ARGV[at])\n"
    "  if ARGV[at + 1] ~= '?HSET' then\n"
    "    redis.call(unpack(ARGV, at + 1, last))\n"
    "  elseif redis.call('EXISTS', ARGV[at + 2]) == 1 then\n"
    "    redis.call('HSET', unpack(ARGV, at + 2, last))\n"
    "  else\n"
    "    answer[#answer + 1] = command\n"
    "  end\n"
    "  command = command + 1\n"
    "  at = last + 1\n"
    "end\n"
    "return answer\n";
