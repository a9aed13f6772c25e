/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACO_TEST_PLUGIN_H
#define ACO_TEST_PLUGIN_H

int plugin_run(int rounds);
void plugin_resume(void *co);
void plugin_yield(void);
void *plugin_guest_new(void);
void plugin_guest_run(void *guest);
void plugin_guest_free(void *guest);

#endif /* ACO_TEST_PLUGIN_H */
