#ifndef CATALOG_DATA_H
#define CATALOG_DATA_H

#include <stddef.h>

/// The bytes of catalog.json as they were when this was compiled, and how many they are.
const unsigned char *catalog_data(size_t *count);

#endif
