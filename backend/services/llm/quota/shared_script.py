"""The script by which a Redis server keeps a `SharedLedger`.

It decides as `MemoryLedger` does, in one step and by the server's own clock. What stands under one
of its keys that is of another type, or no number, was written by another program: it is dropped.
"""

from __future__ import annotations

from .shared_levels import (
    ADD_KNOWN_FOR,
    AGREED_FOR,
    CALLS_AHEAD,
    CREDIBLE_AHEAD,
    FIRST_AGAIN,
    LEAST_AHEAD,
    MOST_AHEAD,
    WINDOW_AHEAD,
)

_CONSTANTS = f"""
local ADD_KNOWN_FOR, AGREED_FOR, CREDIBLE_AHEAD = {ADD_KNOWN_FOR}, {AGREED_FOR}, {CREDIBLE_AHEAD}
local LEAST_AHEAD, MOST_AHEAD = {LEAST_AHEAD}, {MOST_AHEAD}
local CALLS_AHEAD, WINDOW_AHEAD = {CALLS_AHEAD}, {WINDOW_AHEAD}
local FIRST_AGAIN, SCOPE_KEPT = {FIRST_AGAIN}, 3600
local EPOCH_KEPT, LONGEST_KEPT, LEVEL_KEPT = {2 * 86_400}, {2 * 86_400}, 3600
"""

# KEYS are named by their place: 1 is the epoch, 2 the retired models. ARGV: the operations as
# JSON, the epoch that is expected, one for a new state, and the time for tests, else empty.
SCRIPT = (
    _CONSTANTS
    + """
local now = tonumber(ARGV[4])
if not now then
    local time = redis.call('TIME')
    now = time[1] + time[2] / 1000000
end

local function text(number) return string.format('%.17g', number) end

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
    if not charge.is_hearsay then
        redis.call('HSET', key, charge.limit, text(amount) .. ' ' .. text(now + AGREED_FOR))
        keep_for(key, SCOPE_KEPT)
    end
    return amount
end

local function level_of(charge)
    local words = read('GET', KEYS[charge.key]) or ''
    local missing, at, taken = string.match(words, '^(%S+) (%S+) (%S+)$')
    missing, at, taken = finite(missing), finite(at), finite(taken)
    if not (missing and at and taken) then return 0, 0, 0 end
    if at > now + CREDIBLE_AHEAD then at = now end
    return missing, at, taken
end

local function used_at(time, missing, at, rate)
    return math.max(0, missing - (time - at) * rate)
end

local function set_level(charge, missing, at, taken, rate)
    local kept = math.max(LEVEL_KEPT, at - now + math.min(missing / rate, LONGEST_KEPT))
    local words = text(missing) .. ' ' .. text(at) .. ' ' .. text(taken)
    redis.call('SET', KEYS[charge.key], words, 'PX', math.ceil(kept * 1000))
end

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

local function look_ahead(charge, amount)
    local each = charge.taken * charge.window / amount
    if charge.is_log then each = charge.window / amount end
    local ahead = math.min(MOST_AHEAD, math.max(LEAST_AHEAD, CALLS_AHEAD * each))
    return math.min(ahead, WINDOW_AHEAD * charge.window)
end

local function reserve(charge, amount, lease, time)
    if charge.is_log then return log_at(charge, lease, time) end
    local missing, at, taken = level_of(charge)
    local rate = amount / charge.window
    missing = used_at(time, missing, at, rate) + charge.taken
    set_level(charge, missing, time, taken + charge.taken, rate)
end

local function add(charge, lease, time)
    if charge.is_log then
        trim_log(charge)
        for n = 0, math.ceil(charge.taken) - 1 do log_at(charge, lease .. ':' .. n, time) end
        return
    end
    local rate = amount_of(charge) / charge.window
    local missing, at, taken = level_of(charge)
    missing, at = plus(missing, at, charge.taken, rate)
    set_level(charge, missing, at, taken, rate)
end

local function marks_of(op)
    local marks = {}
    for i, charge in ipairs(op.charges) do
        marks[i] = charge.is_log and '0' or text(select(3, level_of(charge)))
    end
    return marks
end

local perform = {}

function perform.take(op)
    local amounts, used, frees = {}, {}, {}
    for i, charge in ipairs(op.charges) do
        amounts[i], used[i], frees[i] = room_of(charge)
        used[i] = text(used[i])
    end
    local sent_at = finite(read('GET', KEYS[op.lease]))
    if sent_at then return {text(math.max(0, sent_at - now)), used, marks_of(op)} end
    local paused = math.max(0, (finite(read('HGET', KEYS[op.scope], 'pause')) or now) - now)
    if paused > 0 then return {text(paused), used, text(paused), 'pause'} end
    local first = read('HGET', KEYS[op.scope], 'first')
    local alone = math.max(0, (finite(first) or -math.huge) + op.first_alone - now)
    if 0 < alone and alone <= op.max_wait then
        return {text(alone), used, text(math.min(alone, FIRST_AGAIN)), 'first'}
    end
    local at, last = now, 1
    for i, free in ipairs(frees) do
        if free > at then at, last = free, i end
    end
    local wait = at - now
    if wait == math.huge then return {'inf', used, 'inf', op.charges[last].unit} end
    if wait > 0 then
        local ahead = look_ahead(op.charges[last], amounts[last])
        if wait > math.min(ahead, op.max_wait) then
            return {text(wait), used, text(math.max(0, wait - ahead / 2)), op.charges[last].unit}
        end
    end
    for i, charge in ipairs(op.charges) do
        reserve(charge, amounts[i], op.name, at + op.max_transit)
    end
    redis.call('SET', KEYS[op.lease], text(at), 'PX', math.ceil(op.ttl * 1000))
    if first or op.first_alone <= 0 then return {text(wait), used, marks_of(op)} end
    redis.call('HSET', KEYS[op.scope], 'first', text(at))
    keep_for(KEYS[op.scope], SCOPE_KEPT)
    return {text(wait), used, marks_of(op), true}
end

function perform.settle(op)
    local is_known = redis.call('DEL', KEYS[op.lease]) == 1
    local first = is_known and read('HGET', KEYS[op.scope], 'first')
    if first and first ~= 'done' then redis.call('HSET', KEYS[op.scope], 'first', 'done') end
    for i, charge in ipairs(op.charges) do
        local amount, spent, stated = amount_of(charge), op.spent[i], op.used[i]
        if charge.is_log then
            trim_log(charge)
            if is_known and spent <= 0 then redis.call('ZREM', KEYS[charge.key], op.name) end
        else
            local rate, missing, at, taken = amount / charge.window, level_of(charge)
            local more = spent - charge.taken
            if more < 0 then
                -- What was taken since stays.
                local used = used_at(math.max(now, at), missing, at, rate)
                more = -math.min(-more, math.max(0, used - (taken - op.marks[i])))
            end
            if is_known then missing, at = plus(missing, at, more, rate) end
            if stated ~= cjson.null then
                more = math.max(0, stated - used_at(now, missing, at, rate))
                missing, at = plus(missing, at, more, rate)
            end
            set_level(charge, missing, at, taken, rate)
        end
    end
end

function perform.add(op)
    if not redis.call('SET', KEYS[op.lease], text(now), 'NX', 'EX', ADD_KNOWN_FOR) then return end
    for i, charge in ipairs(op.charges) do
        add(charge, op.name .. ':' .. (i - 1), now - op.ago)
    end
end

function perform.restore(op)
    for _, charge in ipairs(op.charges) do
        local _, used = room_of(charge)
        if charge.taken > used then
            charge.taken = charge.taken - used
            add(charge, 'restored:' .. text(now), now)
        end
        read('HLEN', KEYS[charge.scope])
        redis.call('HSETNX', KEYS[charge.scope], 'first', 'done')  -- others are in flight
        keep_for(KEYS[charge.scope], SCOPE_KEPT)
    end
end

function perform.pause(op)
    local paused = finite(read('HGET', KEYS[op.scope], 'pause')) or now
    local til = math.max(paused, now + op.seconds)
    redis.call('HSET', KEYS[op.scope], 'pause', text(til))
    keep_for(KEYS[op.scope], til - now)
end

function perform.note(op)
    redis.call('HSET', KEYS[op.scope], 'keeps ' .. op.limit, op.keeps and '1' or '0')
    keep_for(KEYS[op.scope], SCOPE_KEPT)
end

function perform.retire(op)
    read('HLEN', KEYS[2])
    redis.call('HSET', KEYS[2], op.model, text(now + op.seconds))
    keep_for(KEYS[2], op.seconds)
end

local epoch = read('GET', KEYS[1]) or ARGV[3]
redis.call('SET', KEYS[1], epoch, 'EX', EPOCH_KEPT)
if ARGV[2] ~= '' and ARGV[2] ~= epoch then return cjson.encode({epoch, 1}) end

local batch, decisions, limits, retired, notes = cjson.decode(ARGV[1]), {}, {}, {}, {}
for _, op in ipairs(batch.operations) do
    local decision = perform[op.kind](op)
    if decision then decisions[#decisions + 1] = decision end
end
for i, scope in ipairs(batch.scopes) do
    local known = read('HGETALL', KEYS[scope]) or {}
    for n = 1, #known, 2 do
        local amount, til = pair(known[n + 1])
        if amount and now < til then limits[#limits + 1] = {i - 1, known[n], text(amount)} end
        local noted = string.match(known[n], '^keeps (.*)$')
        if noted then notes[#notes + 1] = {i - 1, noted, known[n + 1] == '1'} end
    end
end
local gone = read('HGETALL', KEYS[2]) or {}
for n = 1, #gone, 2 do
    local left = (finite(gone[n + 1]) or now) - now
    if left > 0 then retired[#retired + 1] = {gone[n], text(left)} end
    if left <= 0 then redis.call('HDEL', KEYS[2], gone[n]) end
end
return cjson.encode({epoch, 0, decisions, limits, retired, notes})
"""
)
