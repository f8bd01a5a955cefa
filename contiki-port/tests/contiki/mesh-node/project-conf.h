/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PROJECT_CONF_H_
#define PROJECT_CONF_H_

#define LOG_CONF_LEVEL_SPRAT LOG_LEVEL_WARN

#endif /* PROJECT_CONF_H_ */
