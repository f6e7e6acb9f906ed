// A CloudFront function (viewer response): who asked for a picture, and how it was made, stays in the
// bucket. A response headers policy could remove ten headers by name; a picture has more. What is
// shown depends on Accept (viewer-request.js), which browsers' caches are told.
function handler(event) {
  var headers = event.response.headers;
  Object.keys(headers).forEach(function (name) {
    if (name.indexOf('x-amz-meta-') === 0 || name === 'x-amz-version-id' || name === 'x-amz-tagging-count') {
      delete headers[name];
    }
  });
  headers.vary = { value: 'Accept' };
  return event.response;
}
