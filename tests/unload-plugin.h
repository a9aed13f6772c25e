/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACO_TEST_UNLOAD_PLUGIN_H
#define ACO_TEST_UNLOAD_PLUGIN_H

void plugin_make(void);
void plugin_resume(void);
void plugin_destroy(void);
void plugin_use_stacks(void);
void plugin_report(int on);
void plugin_fault(void);
void plugin_exit_in_co(void);

void plugin_run(void);
void plugin_give_up(void);

#endif /* ACO_TEST_UNLOAD_PLUGIN_H */
