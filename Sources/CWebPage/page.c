#include "CWebPage.h"

static const unsigned char index_html[] = {
#embed "page/index.html"
};
static const unsigned char style_css[] = {
#embed "page/style.css"
};
static const unsigned char icon_svg[] = {
#embed "page/icon.svg"
};
static const unsigned char app_js[] = {
#embed "page/app.js"
};
static const unsigned char api_js[] = {
#embed "page/api.js"
};
static const unsigned char compare_js[] = {
#embed "page/compare.js"
};
static const unsigned char i18n_js[] = {
#embed "page/i18n.js"
};
static const unsigned char jobs_js[] = {
#embed "page/jobs.js"
};
static const unsigned char store_js[] = {
#embed "page/store.js"
};
static const unsigned char openapi_json[] = {
#embed "openapi.json"
};

static const struct cw_file files[] = {
    {"index.html", "text/html; charset=utf-8", index_html, sizeof index_html},
    {"style.css", "text/css; charset=utf-8", style_css, sizeof style_css},
    {"icon.svg", "image/svg+xml", icon_svg, sizeof icon_svg},
    {"app.js", "text/javascript; charset=utf-8", app_js, sizeof app_js},
    {"api.js", "text/javascript; charset=utf-8", api_js, sizeof api_js},
    {"compare.js", "text/javascript; charset=utf-8", compare_js, sizeof compare_js},
    {"i18n.js", "text/javascript; charset=utf-8", i18n_js, sizeof i18n_js},
    {"jobs.js", "text/javascript; charset=utf-8", jobs_js, sizeof jobs_js},
    {"store.js", "text/javascript; charset=utf-8", store_js, sizeof store_js},
    {"openapi.json", "application/json", openapi_json, sizeof openapi_json},
    {0},
};

const struct cw_file *cw_file_list(void) { return files; }
