/* Damage to the files of a store: run files that are lost, torn, turned over, exchanged, of another time; a store that
 * is an older copy of itself. All of what is damaged is derived, or is a whole store that was sound once. */
#ifndef WEIR_TESTS_SIM_STORE_DAMAGE_H
#define WEIR_TESTS_SIM_STORE_DAMAGE_H

#include <stdbool.h>

typedef struct World World;

/* Between two lives: a few run files. */
void damage_runs(World *world);
/* In a life: a bit of a run file. */
void damage_flip_live(World *world);

/* The store left word that its derived files have to be made anew. */
bool store_is_distrusted(World *world);

/* Between two lives: keeps the database as it is now aside, and a run file. */
void damage_keep(World *world);
/* Puts the database back that was kept; the run files stay as they are. The model goes back with it. */
void damage_go_back(World *world);
void damage_forget_kept(World *world);

#endif
