Deno.serve({ port: 1 }, (request) => new Response(request.headers.get("x-empire-gateway") ?? "no secret"));
