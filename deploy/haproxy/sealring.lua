-- Asks Sealring about a request: see haproxy.cfg, which needs this.

local verdict = "http://127.0.0.1/v1/verify?mode=redirect"
local way = "abns@sealring-8000" -- to the frontend `verdict`, which has the address and the times

-- What the application is told, and what the client is when it is refused.
local identity = { "x-auth-subject", "x-auth-session", "x-auth-scope", "authorization" }
local refusal = { "content-type", "www-authenticate", "location", "cache-control", "retry-after", "x-request-id" }

-- These are of the connection or of the body, which Sealring is not sent.
local left_out = { ["connection"] = true, ["upgrade"] = true, ["content-length"] = true, ["transfer-encoding"] = true,
	["expect"] = true, ["te"] = true, ["trailer"] = true, ["accept-encoding"] = true, ["host"] = true }

local function question(txn)
	local headers = {}
	for name, values in pairs(txn.http:req_get_headers()) do
		if not left_out[name] then
			headers[name] = {}
			for i = 0, #values do headers[name][i + 1] = values[i] end -- HAProxy counts from 0, and here from 1
		end
	end
	headers["host"] = { txn.sf:req_hdr("host") }
	headers["x-forwarded-method"] = { txn.sf:method() }
	headers["x-forwarded-uri"] = { txn.sf:pathq() }
	return headers
end

-- The cookies without Sealring's: the application has the token instead.
local function other_cookies(txn)
	local lines = txn.http:req_get_headers()["cookie"]
	if not lines then return end
	txn.http:req_del_header("cookie")
	for i = 0, #lines do
		local kept = {}
		for pair in lines[i]:gmatch("[^;]+") do
			pair = pair:match("^%s*(.-)%s*$")
			if pair:sub(1, #"__Host-session=") ~= "__Host-session=" then kept[#kept + 1] = pair end
		end
		if #kept > 0 then txn.http:req_add_header("cookie", table.concat(kept, "; ")) end
	end
end

core.register_action("sealring", { "http-req" }, function(txn)
	local says = core.httpclient():get{ url = verdict, dst = way, headers = question(txn) }
	local headers = says.headers or {}
	if says.status == 200 then
		for _, name in ipairs(identity) do
			if headers[name] then txn.http:req_set_header(name, headers[name][0]) end
		end
		other_cookies(txn)
		txn:set_var("txn.sealring", "allowed")
		return
	end

	-- No answer is 0, or HAProxy's word for it: 503, and nobody is logged out.
	local reply = txn:reply{ status = says.status, body = says.body }
	if says.status < 300 or says.status == 502 or says.status == 504 then
		reply = txn:reply{ status = 503 }
		reply:add_header("retry-after", "1")
		reply:add_header("cache-control", "no-store")
		headers = {}
	end
	for _, name in ipairs(refusal) do
		if headers[name] then reply:add_header(name, headers[name][0]) end
	end
	txn:done(reply)
end)
