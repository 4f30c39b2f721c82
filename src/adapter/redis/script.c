/* The fence. KEYS[1]: cx:owner; ARGV: token, "1" if we wrote the owner before,
 * then commands: count of words, words, count, words …
 *
 * Lua's numbers are doubles: tokens are exact below 2^53. unpack can take some
 * 8000 words; a hash of all fields has 140. `?HSET` is HSET on a hash that is
 * there: one that was evicted or has expired must not come back in part. A field
 * that every hash of its kind has is among the words; so if all of them were new
 * the hash was not there: it is taken away again, which nobody sees, the index of
 * the command goes into the answer, and the whole hash is written.
 *
 * A command that fails (a key that somebody gave another type) does not keep
 * the others back; the first failure is the answer.
 *
 * The owner lives for a minute after its last chunk. So a token from a clock
 * that was ahead cannot lock everybody out for ever, and who was fenced can take
 * over when the other has gone. An owner that is lower but not ours wrote after
 * us: what is there is not known. SET and not PEXPIRE, because maxmemory is held
 * against the first write of a script only, and only if it can grow something. */
#include "view.h"

const char dl_fence_script[] =
    "local owner = redis.pcall('GET', KEYS[1])\n"
    "if type(owner) == 'table' then return redis.error_reply(owner.err .. ' (GET ' .. KEYS[1] .. ')') end\n"
    "if owner and (tonumber(owner) or 0) > tonumber(ARGV[1]) then return {'fenced', owner} end\n"
    "if owner ~= ARGV[1] and ARGV[2] == '1' then return {'forgotten'} end\n"
    "redis.call('SET', KEYS[1], ARGV[1], 'PX', 60000)\n"
    "local answer, command, at, failed = {'ok'}, 0, 3, nil\n"
    "while at <= #ARGV do\n"
    "  local last, reply = at + tonumber(ARGV[at]), nil\n"
    "  if ARGV[at + 1] ~= '?HSET' then\n"
    "    reply = redis.pcall(unpack(ARGV, at + 1, last))\n"
    "  else\n"
    "    reply = redis.pcall('HSET', unpack(ARGV, at + 2, last))\n"
    "    if reply == (last - at - 2) / 2 then\n"
    "      redis.call('DEL', ARGV[at + 2])\n"
    "      answer[#answer + 1] = command\n"
    "    end\n"
    "  end\n"
    "  if type(reply) == 'table' and reply.err then\n"
    "    failed = failed or reply.err .. ' (' .. string.gsub(ARGV[at + 1], '?', '') .. ' ' .. ARGV[at + 2] .. ')'\n"
    "  end\n"
    "  command = command + 1\n"
    "  at = last + 1\n"
    "end\n"
    "if failed then return redis.error_reply(failed) end\n"
    "return answer\n";
