// The built-in catalog as a constant of the executable. A Swift array literal of this size takes minutes to
// compile (360 KiB: 110 s of release build), `#embed` (C23) a fraction of a second.

#include "CatalogData.h"

static const unsigned char bytes[] = {
#embed "catalog.json"
};

const unsigned char *catalog_data(size_t *count) {
    *count = sizeof bytes;
    return bytes;
}
