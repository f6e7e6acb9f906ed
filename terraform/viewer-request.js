// A CloudFront function (viewer request): of all that readers send in Accept two things remain, AVIF or
// not, so that the cache has one entry a kind. An address says with `avif=1` that an AVIF lies beside
// the WebP: the edge cannot look, and one that is missing would be an error.
function handler(event) {
  var request = event.request;
  var flag = request.querystring.avif;
  if (flag && flag.value === '1' && acceptsAvif(request.headers.accept)) {
    request.uri = request.uri.replace(/\.webp$/, '.avif');
  }
  return request;
}

function acceptsAvif(accept) {
  return !!accept && accept.value.split(',').some(function (range) {
    var parts = range.split(';').map(function (part) { return part.trim(); });
    var refused = parts.slice(1).some(function (part) { return /^q=0(\.0*)?$/.test(part); });
    return parts[0].toLowerCase() === 'image/avif' && !refused;
  });
}
