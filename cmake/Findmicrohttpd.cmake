# Finds microhttpd by pkg-config: the target microhttpd::microhttpd.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
include(${CMAKE_CURRENT_LIST_DIR}/HealthPkgConfig.cmake)
health_find_by_pkg_config(microhttpd libmicrohttpd libmicrohttpd-dev)
