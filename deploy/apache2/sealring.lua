-- Asks Sealring about a request: see sealring.conf, which needs this.

require "apache2"
local http = require "socket.http"
local ltn12 = require "ltn12"

local address = "http://127.0.0.1:8080/v1/verify?mode=redirect"
http.TIMEOUT = 2 -- seconds

local identity = { "X-Auth-Subject", "X-Auth-Session", "X-Auth-Scope", "Authorization" }
local refusal = { "WWW-Authenticate", "Location", "Cache-Control", "Retry-After", "X-Request-Id" }

-- These are of the connection or of the body, which Sealring is not sent.
local left_out = { ["connection"] = true, ["upgrade"] = true, ["content-length"] = true, ["transfer-encoding"] = true,
	["expect"] = true, ["te"] = true, ["trailer"] = true, ["x-original-url"] = true }

local function question(r)
	local headers = {}
	for name, value in pairs(r:headers_in_table()) do
		if not left_out[name:lower()] then headers[name:lower()] = value end
	end
	headers["x-forwarded-method"] = r.method
	headers["x-forwarded-proto"] = r.is_https and "https" or "http"
	headers["x-forwarded-host"] = r.headers_in["Host"]
	headers["x-forwarded-uri"] = r.unparsed_uri
	headers["x-forwarded-for"] = r.useragent_ip
	return headers
end

-- What the client says of itself. X_Auth_Subject is X-Auth-Subject to many an application. And
-- Connection must not name the headers of the identity, for then they would go no further than
-- here.
local function strip(r)
	for name in pairs(r:headers_in_table()) do
		if name:lower():match("^x[-_]auth[-_]") then r.headers_in[name] = nil end
	end
	r.headers_in["Connection"] = nil
end

-- The cookies without Sealring's: the application has the token instead.
local function other_cookies(r)
	local kept = {}
	for pair in (r.headers_in["Cookie"] or ""):gmatch("[^;]+") do
		pair = pair:match("^%s*(.-)%s*$")
		if pair:sub(1, #"__Host-session=") ~= "__Host-session=" then kept[#kept + 1] = pair end
	end
	r.headers_in["Cookie"] = #kept > 0 and table.concat(kept, "; ") or nil
end

function verdict(r)
	strip(r)
	local _, status, headers = http.request{ url = address, headers = question(r), redirect = false, sink = ltn12.sink.null() }
	if type(status) ~= "number" then -- no answer: 503, and nobody is logged out
		r.err_headers_out["Retry-After"] = "1"
		r.err_headers_out["Cache-Control"] = "no-store"
		return 503
	end
	if status == 200 then
		for _, name in ipairs(identity) do r.headers_in[name] = headers[name:lower()] end
		other_cookies(r)
		return apache2.OK
	end
	for _, name in ipairs(refusal) do
		if headers[name:lower()] then r.err_headers_out[name] = headers[name:lower()] end
	end
	return status >= 300 and status or 503
end
