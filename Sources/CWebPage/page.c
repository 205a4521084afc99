#include "CWebPage.h"

static const unsigned char openapi_json[] = {
#embed "openapi.json"
};

static const unsigned char index_html[] = {
#embed "page/index.html"
};

static const struct cw_file files[] = {
    {"index.html", "text/html; charset=utf-8", index_html, sizeof index_html},
    {"openapi.json", "application/json", openapi_json, sizeof openapi_json},
    {0},
};

const struct cw_file *cw_file_list(void) { return files; }
