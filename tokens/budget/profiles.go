package budget

const browsers = "browsers"

// known is the data: what the programs take with their default settings.
var known = []Profile{
	{Name: browsers, Title: "Chromium, Firefox", Limits: []Limit{
		{Measure: CookiePair, Bytes: 4096, Source: "RFC 6265bis §5.6: a cookie of more is ignored, and the old one stays"},
		{Measure: CookieAttribute, Bytes: 1024, Source: "RFC 6265bis §5.6: an attribute of more is ignored"},
	}},
	{Name: "nginx", Title: "nginx 1.22", Limits: []Limit{
		{Measure: ResponseHead, Bytes: 4096, Source: "proxy_buffer_size, one page: 502"},
		{Measure: RequestLine, Bytes: 8192, Source: "large_client_header_buffers, of 8k: 400"},
	}},
	{Name: "apache", Title: "Apache httpd 2.4", Limits: []Limit{
		{Measure: ResponseLine, Bytes: 8193, Source: "buffer of mod_proxy_http for a line: 502"},
		{Measure: RequestLine, Bytes: 8193, Source: "LimitRequestFieldSize 8190: 400"},
	}},
	{Name: "haproxy", Title: "HAProxy 2.6", Limits: []Limit{ // its buffer keeps 8 bytes beside each line in place of the 4 around it
		{Measure: ResponseHead, Bytes: 15281, PerLine: 4, Source: "tune.bufsize less tune.maxrewrite: 502"},
		{Measure: RequestHead, Bytes: 15281, PerLine: 4, Source: "tune.bufsize less tune.maxrewrite: 400"},
	}},
	{Name: "caddy", Title: "Caddy 2.6", Limits: []Limit{
		{Measure: ResponseHead, Bytes: 10 << 20, Source: "max_response_header: 502"},
		{Measure: RequestHead, Bytes: 1<<20 + 4096, Source: "max_header_size, and 4 KiB that net/http adds: 431"},
	}},
	{Name: "tomcat", Title: "Apache Tomcat 10.1", Limits: []Limit{
		{Measure: RequestHead, Bytes: 8192, Source: "maxHttpRequestHeaderSize: 400"},
	}},
	{Name: "jetty", Title: "Eclipse Jetty", Limits: []Limit{ // 9.4 takes some 20 bytes more: names of lines that it knows count nothing
		{Measure: RequestHead, Bytes: 8192, Documented: true, Source: "documentation: HttpConfiguration, requestHeaderSize: 431"},
	}},
	{Name: "node", Title: "Node.js 20", Limits: []Limit{
		{Measure: RequestTexts, Bytes: 16383, Source: "--max-http-header-size 16 KiB, without what is between the texts: 431"},
	}},
	{Name: "envoy", Title: "Envoy", Limits: []Limit{
		{Measure: RequestHead, Bytes: 60 << 10, Documented: true, Source: "documentation: max_request_headers_kb: 431"},
	}},
	{Name: "aws-alb", Title: "AWS Application Load Balancer", Limits: []Limit{
		{Measure: RequestLine, Bytes: 16 << 10, Documented: true, Source: "documentation: quotas, single header"},
		{Measure: RequestHead, Bytes: 64 << 10, Documented: true, Source: "documentation: quotas, entire request header"},
		{Measure: ResponseHead, Bytes: 32 << 10, Documented: true, Source: "documentation: quotas, entire response header"},
	}},
	{Name: "cloudflare", Title: "Cloudflare", Limits: []Limit{
		{Measure: RequestHead, Bytes: 128 << 10, Documented: true, Source: "documentation: connection limits, request headers"},
		{Measure: ResponseHead, Bytes: 128 << 10, Documented: true, Source: "documentation: connection limits, response headers"},
	}},
	{Name: "vercel", Title: "Vercel", Limits: []Limit{
		{Measure: RequestLine, Bytes: 16 << 10, Documented: true, Source: "documentation: REQUEST_HEADER_TOO_LARGE, individual header"},
		{Measure: RequestHead, Bytes: 32 << 10, Documented: true, Source: "documentation: REQUEST_HEADER_TOO_LARGE, all headers"},
	}},
	{Name: "fastly", Title: "Fastly", Limits: []Limit{
		{Measure: RequestLine, Bytes: 32 << 10, Documented: true, Source: "documentation: VCL constraints, Cookie header"},
		{Measure: RequestHead, Bytes: 69 << 10, Documented: true, Source: "documentation: VCL constraints, request header"},
		{Measure: ResponseHead, Bytes: 69 << 10, Documented: true, Source: "documentation: VCL constraints, response header"},
	}},
}
