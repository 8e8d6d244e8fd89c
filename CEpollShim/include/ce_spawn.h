#ifndef CE_SPAWN_H
#define CE_SPAWN_H
#endif
