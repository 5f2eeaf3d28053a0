"""The functions of the script on a Redis server that know what is used of each limit.

They are told `now`, and name keys by their place in KEYS.
"""

from __future__ import annotations

from .longest_waits import EARLY, LATE, MOST_WAITS, QUICK
from .shared_levels import (
    ADD_KNOWN_FOR,
    AGREED_FOR,
    CALLS_AHEAD,
    CREDIBLE_AHEAD,
    FIRST_AGAIN,
    HALF_WAIT,
    LEAST_AHEAD,
    LONGEST_AHEAD,
    MOST_AHEAD,
    MOST_IDLE,
    PART_WEIGHT,
    RECEIVED_AFTER,
    SHORT_AHEAD,
    TIMES_AHEAD,
    WINDOW_AHEAD,
)

CONSTANTS = f"""
local ADD_KNOWN_FOR, AGREED_FOR, CREDIBLE_AHEAD = {ADD_KNOWN_FOR}, {AGREED_FOR}, {CREDIBLE_AHEAD}
local LEAST_AHEAD, MOST_AHEAD = {LEAST_AHEAD}, {MOST_AHEAD}
local CALLS_AHEAD, WINDOW_AHEAD = {CALLS_AHEAD}, {WINDOW_AHEAD}
local TIMES_AHEAD, HALF_WAIT, LONGEST_AHEAD = {TIMES_AHEAD}, {HALF_WAIT}, {LONGEST_AHEAD}
local MOST_IDLE, SHORT_AHEAD, PART_WEIGHT = {MOST_IDLE}, {SHORT_AHEAD}, {PART_WEIGHT}
local FIRST_AGAIN, RECEIVED_AFTER, SCOPE_KEPT = {FIRST_AGAIN}, {RECEIVED_AFTER}, 3600
local MOST_WAITS, LATE, EARLY, QUICK = {MOST_WAITS}, {LATE}, {EARLY}, {QUICK}
local EPOCH_KEPT, LONGEST_KEPT, LEVEL_KEPT = {2 * 86_400}, {2 * 86_400}, 3600
"""

LIMITS = """
local function text(number) return string.format('%.17g', number) end

-- Drop a key of another type than the command's, and return false for it.
local function read(command, key, ...)
    local found = redis.pcall(command, key, ...)
    if type(found) ~= 'table' or not found.err then return found end
    if not string.find(found.err, 'WRONGTYPE', 1, true) then error(found.err) end
    redis.call('DEL', key)
    return false
end

local function finite(word)
    local number = tonumber(word)
    return number and math.abs(number) < 1e300 and number or nil
end

local function pair(words)
    local first, second = string.match(words or '', '^(%S+) (%S+)$')
    if finite(first) and finite(second) then return tonumber(first), tonumber(second) end
end

local function keep_for(key, seconds)
    local wanted = math.ceil(seconds * 1000)
    if redis.call('PTTL', key) < wanted then redis.call('PEXPIRE', key, wanted) end
end

local function amount_of(charge)
    local key, amount = KEYS[charge.scope], charge.amount
    local lowest, til = pair(read('HGET', key, charge.limit))
    local is_new = lowest and til - now > AGREED_FOR / 2
    if lowest and now < til and (lowest < amount or (lowest == amount and is_new)) then
        return lowest
    end
    if not charge.is_from_shared_quota then
        redis.call('HSET', key, charge.limit, text(amount) .. ' ' .. text(now + AGREED_FOR))
        keep_for(key, SCOPE_KEPT)
    end
    return amount
end

local function numbers_at(place)
    local numbers = {}
    for word in string.gmatch(read('GET', KEYS[place]) or '', '%S+') do
        numbers[#numbers + 1] = finite(word)
    end
    return numbers
end

local function level_of(charge)
    local numbers = numbers_at(charge.key)
    if #numbers ~= 5 then return 0, 0, 0, 0, 1 end
    if numbers[2] > now + CREDIBLE_AHEAD then numbers[2] = now end
    return unpack(numbers)
end

local function used_at(time, missing, at, rate)
    return math.max(0, missing - (time - at) * rate)
end

local function set_level(charge, rate, missing, at, ...)
    local kept = math.max(LEVEL_KEPT, at - now + math.min(missing / rate, LONGEST_KEPT))
    local words = {text(missing), text(at)}
    for _, number in ipairs({...}) do words[#words + 1] = text(number) end
    redis.call('SET', KEYS[charge.key], table.concat(words, ' '), 'PX', math.ceil(kept * 1000))
end

-- Return what is missing, and when, after so much more was used.
local function plus(missing, at, amount, rate)
    return used_at(math.max(now, at), missing, at, rate) + amount, math.max(now, at)
end

-- Drop what has left the window, and return how many are in it.
local function trim_log(charge)
    local key = KEYS[charge.key]
    if not read('ZCARD', key) then return 0 end
    redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now - charge.window))
    local ahead = redis.call('ZRANGEBYSCORE', key, '(' .. text(now + CREDIBLE_AHEAD), '+inf')
    for _, lease in ipairs(ahead) do redis.call('ZADD', key, text(now), lease) end
    return redis.call('ZCARD', key)
end

local function log_at(charge, lease, time)
    redis.call('ZADD', KEYS[charge.key], text(time), lease)
    keep_for(KEYS[charge.key], charge.window + CREDIBLE_AHEAD)
end

local function room_of(charge)
    local amount = amount_of(charge)
    if charge.is_log then
        local used, whole = trim_log(charge), math.floor(amount)
        if used < whole then return amount, used, now end
        if whole <= 0 then return amount, used, math.huge end
        local last = redis.call('ZREVRANGE', KEYS[charge.key], whole - 1, whole - 1, 'WITHSCORES')
        return amount, used, tonumber(last[2]) + charge.window
    end
    local rate = amount / charge.window
    local missing, at = level_of(charge)
    local used = used_at(now, missing, at, rate)
    if charge.taken > amount then return amount, used, math.huge end
    local over = used + charge.taken - amount
    return amount, used, now + math.max(0, over) / rate
end

local function refill_seconds(charge, amount)
    return charge.is_log and charge.window / amount or charge.taken * charge.window / amount
end

local function spent_part_of(charge)
    return charge.is_log and 1 or select(5, level_of(charge))
end

local function look_ahead(charge, amount, seconds_waited)
    local spent_part, refill = spent_part_of(charge), refill_seconds(charge, amount)
    local ahead = math.min(MOST_AHEAD, math.max(LEAST_AHEAD, CALLS_AHEAD * refill))
    local idle = math.huge
    if spent_part < 1 then idle = MOST_IDLE * charge.window * spent_part / (1 - spent_part) end
    ahead = math.min(ahead, WINDOW_AHEAD * charge.window, math.max(SHORT_AHEAD, idle))
    local times = 1 + (TIMES_AHEAD - 1) * seconds_waited / (seconds_waited + HALF_WAIT)
    return math.min(LONGEST_AHEAD, ahead * times)
end

-- Return the other workers that are known to wait for a limit, how many of them wait longer, and
-- until when all of these will have asked again.
local function other_waits(charge, worker, since)
    local others, longer, all_asked = {}, 0, now
    local known = read('HGET', KEYS[charge.scope], 'waits ' .. charge.limit) or ''
    for first, last, other in string.gmatch(known, '([^:,]+):([^:,]+):([^,]*)') do
        first, last = finite(first), finite(last)
        if first and last and last > now and other ~= worker then
            others[#others + 1] = {first, last, other}
            if first < since then longer, all_asked = longer + 1, math.max(all_asked, last) end
        end
    end
    return others, longer, all_asked
end

local function keep_waits(charge, waits)
    table.sort(waits, function(a, b)
        for n = 1, 2 do
            if a[n] ~= b[n] then return a[n] < b[n] end
        end
        return a[3] < b[3]
    end)
    local words = {}
    for n = 1, math.min(#waits, MOST_WAITS) do
        words[n] = text(waits[n][1]) .. ':' .. text(waits[n][2]) .. ':' .. waits[n][3]
    end
    redis.call('HSET', KEYS[charge.scope], 'waits ' .. charge.limit, table.concat(words, ','))
    keep_for(KEYS[charge.scope], SCOPE_KEPT)
end

-- Return after how many seconds a call asks again that a charge holds back; nil: it is granted.
local function seconds_to_ask_again(op, charge, amount, wait)
    local ahead = look_ahead(charge, amount, op.seconds_waited)
    local is_late, refill = wait > math.min(ahead, op.max_wait), refill_seconds(charge, amount)
    if refill <= QUICK then
        return is_late and math.max(0, wait - ahead / 2) or nil
    end
    local since, worker = now - op.seconds_waited, string.match(op.name, '^(.*):') or ''
    local waits, longer, all_asked = other_waits(charge, worker, since)
    if not is_late and longer == 0 then keep_waits(charge, waits) return nil end
    local unspent = (1 - spent_part_of(charge)) * refill
    local again = math.max(0, wait - EARLY * ahead, wait - ahead / 2 - unspent)
    if longer > 0 then
        local their_turns = wait + longer * refill - ahead / 2
        if not is_late then their_turns = math.max(their_turns, all_asked - now) end
        again = math.max(again, math.min(their_turns, WINDOW_AHEAD * charge.window))
    end
    if math.max(wait, again) <= op.max_wait then
        waits[#waits + 1] = {since, now + again + LATE, worker}
        keep_waits(charge, waits)
    end
    return again
end

local function reserve(charge, amount, lease, time)
    if charge.is_log then return log_at(charge, lease, time) end
    local missing, at, taken, lowered_at, spent_part = level_of(charge)
    local rate = amount / charge.window
    missing = used_at(time, missing, at, rate) + charge.taken
    set_level(charge, rate, missing, time, taken + charge.taken, lowered_at, spent_part)
end

local function add(charge, lease, time)
    if charge.is_log then
        trim_log(charge)
        for n = 0, math.ceil(charge.taken) - 1 do log_at(charge, lease .. ':' .. n, time) end
        return
    end
    local rate = amount_of(charge) / charge.window
    local missing, at, taken, lowered_at, spent_part = level_of(charge)
    missing, at = plus(missing, at, charge.taken, rate)
    set_level(charge, rate, missing, at, taken + charge.taken, lowered_at, spent_part)
end

local function expect_spent_part(charge, expected)
    local missing, at, taken, lowered_at, spent_part = level_of(charge)
    if spent_part ~= 1 then return end
    set_level(charge, amount_of(charge) / charge.window, missing, at, taken, lowered_at, expected)
end

-- What was ever taken of each limit, the call's own included.
local function taken_of(op)
    local amounts = {}
    for i, charge in ipairs(op.charges) do
        amounts[i] = charge.is_log and '0' or text((select(3, level_of(charge))))
    end
    return table.concat(amounts, ' ')
end

"""
