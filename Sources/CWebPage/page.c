#include "CWebPage.h"

static const unsigned char index_html[] = {
#embed "page/index.html"
};

const struct cw_file cw_files[] = {
    {"index.html", "text/html; charset=utf-8", index_html, sizeof index_html},
    {0},
};
