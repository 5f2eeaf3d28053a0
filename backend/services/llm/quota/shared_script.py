"""The script by which a Redis server keeps a `SharedQuota`.

It decides as `MemorySharedQuota` does, in one step and by the server's own clock. What stands under
one of its keys that is of another type, or no number, was written by another program: it is
dropped.
"""

from __future__ import annotations

from .shared_script_limits import CONSTANTS, LIMITS

# KEYS are named by their place: 1 is the epoch, 2 the retired models. ARGV: the operations as
# JSON, the epoch that is expected, one for a new state, and the time for tests, else empty.
SCRIPT = (
    CONSTANTS
    + """
local now = tonumber(ARGV[4])
if not now then
    local time = redis.call('TIME')
    now = time[1] + time[2] / 1000000
end
"""
    + LIMITS
    + """
local perform = {}

function perform.take(op)
    local amounts, used, frees = {}, {}, {}
    for i, charge in ipairs(op.charges) do
        amounts[i], used[i], frees[i] = room_of(charge)
        used[i] = text(used[i])
    end
    local sent_at = numbers_at(op.lease)[1]
    if sent_at then return {text(math.max(0, sent_at - now)), used} end
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
        local again = seconds_to_ask_again(op, op.charges[last], amounts[last], wait)
        if again then return {text(wait), used, text(again), op.charges[last].unit} end
    end
    for i, charge in ipairs(op.charges) do
        reserve(charge, amounts[i], op.name, at + op.max_transit)
    end
    local lease = text(at) .. ' ' .. taken_of(op)
    redis.call('SET', KEYS[op.lease], lease, 'PX', math.ceil(op.ttl * 1000))
    if first or op.first_alone <= 0 then return {text(wait), used} end
    redis.call('HSET', KEYS[op.scope], 'first', text(at))
    keep_for(KEYS[op.scope], SCOPE_KEPT)
    return {text(wait), used, true}
end

function perform.settle(op)
    local lease = numbers_at(op.lease)
    local sent_at = lease[1] or -math.huge
    local is_known = redis.call('DEL', KEYS[op.lease]) == 1
    local first = is_known and read('HGET', KEYS[op.scope], 'first')
    if first and first ~= 'done' then redis.call('HSET', KEYS[op.scope], 'first', 'done') end
    for i, charge in ipairs(op.charges) do
        local amount, spent, stated = amount_of(charge), op.spent[i], op.used[i]
        local taken_before = lease[i + 1] or 0
        if charge.is_log then
            trim_log(charge)
            if is_known and spent <= 0 then redis.call('ZREM', KEYS[charge.key], op.name) end
        else
            local missing, at, taken, lowered_at, spent_part = level_of(charge)
            local rate = amount / charge.window
            local more = spent - charge.taken
            if is_known and more <= 0 and spent > 0 then
                spent_part = spent_part + PART_WEIGHT * (spent / charge.taken - spent_part)
            end
            if more < 0 then
                -- What was taken since stays.
                local used = used_at(math.max(now, at), missing, at, rate)
                more = -math.min(-more, math.max(0, used - (taken - taken_before)))
            end
            if is_known then
                missing, at = plus(missing, at, more, rate)
                taken = taken + math.max(0, more)
                if more < 0 then lowered_at = now end
                local most = op.at_most[i] or cjson.null
                local ordered_from = lowered_at + LONGEST_AHEAD + RECEIVED_AFTER
                if most ~= cjson.null and sent_at >= ordered_from then
                    local over = used_at(now, missing, at, rate) - (most + taken - taken_before)
                    if over > 0 then
                        missing, at = plus(missing, at, -over, rate)
                        missing, lowered_at = math.max(0, missing), now
                    end
                end
            end
            if stated ~= cjson.null then
                more = math.max(0, stated - used_at(now, missing, at, rate))
                missing, at = plus(missing, at, more, rate)
            end
            set_level(charge, rate, missing, at, taken, lowered_at, spent_part)
        end
    end
end

function perform.add(op)
    if not redis.call('SET', KEYS[op.lease], text(now), 'NX', 'EX', ADD_KNOWN_FOR) then return end
    for i, charge in ipairs(op.charges) do
        add(charge, op.name .. ':' .. (i - 1), now - op.ago)
    end
end

function perform.restore_use(op)
    for i, charge in ipairs(op.charges) do
        local _, used = room_of(charge)
        if charge.taken > used then
            charge.taken = charge.taken - used
            add(charge, 'restored:' .. text(now), now)
        end
        local spent_part = op.spent_parts and op.spent_parts[i]
        if spent_part and not charge.is_log then expect_spent_part(charge, spent_part) end
        read('HLEN', KEYS[charge.scope])  -- drops what is no hash
        redis.call('HSETNX', KEYS[charge.scope], 'first', 'done')  -- others are in flight
        keep_for(KEYS[charge.scope], SCOPE_KEPT)
    end
end

function perform.restore_lease(op)
    local lease = '0 ' .. taken_of(op)
    redis.call('SET', KEYS[op.lease], lease, 'NX', 'PX', math.ceil(op.ttl * 1000))
end

function perform.pause(op)
    local paused = finite(read('HGET', KEYS[op.scope], 'pause')) or now
    local til = math.max(paused, now + op.seconds)
    redis.call('HSET', KEYS[op.scope], 'pause', text(til))
    keep_for(KEYS[op.scope], til - now)
end

function perform.forget_scope(op)
    local known = read('HGETALL', KEYS[op.scope]) or {}
    for n = 1, #known, 2 do
        if known[n] == 'pause' or pair(known[n + 1]) then
            redis.call('HDEL', KEYS[op.scope], known[n])
        end
    end
end

function perform.set_counting(op)
    redis.call('HSET', KEYS[op.scope], 'keeps ' .. op.limit, op.counts_declared and '1' or '0')
    keep_for(KEYS[op.scope], SCOPE_KEPT)
end

function perform.retire(op)
    read('HLEN', KEYS[2])  -- drops what is no hash
    redis.call('HSET', KEYS[2], op.model, text(now + op.seconds))
    keep_for(KEYS[2], op.seconds)
end

local epoch = string.match(read('GET', KEYS[1]) or '', '^%w+$') or ARGV[3]
redis.call('SET', KEYS[1], epoch, 'EX', EPOCH_KEPT)
if ARGV[2] ~= '' and ARGV[2] ~= epoch then return cjson.encode({epoch, 1}) end

local batch, decisions, limits, retired, counting = cjson.decode(ARGV[1]), {}, {}, {}, {}
for _, op in ipairs(batch.operations) do
    local decision = perform[op.kind](op)
    if decision then decisions[#decisions + 1] = decision end
end
for i, scope in ipairs(batch.scopes) do
    local known = read('HGETALL', KEYS[scope]) or {}
    for n = 1, #known, 2 do
        local amount, til = pair(known[n + 1])
        if amount and now < til then limits[#limits + 1] = {i - 1, known[n], text(amount)} end
        local limit = string.match(known[n], '^keeps (.*)$')
        if limit then counting[#counting + 1] = {i - 1, limit, known[n + 1] == '1'} end
    end
end
local gone = read('HGETALL', KEYS[2]) or {}
for n = 1, #gone, 2 do
    local left = (finite(gone[n + 1]) or now) - now
    if left > 0 then retired[#retired + 1] = {gone[n], text(left)} end
    if left <= 0 then redis.call('HDEL', KEYS[2], gone[n]) end
end
return cjson.encode({epoch, 0, decisions, limits, retired, counting})
"""
)
