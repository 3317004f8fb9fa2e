# Finds jansson by pkg-config: the target jansson::jansson.  Tests alone use it.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
include(${CMAKE_CURRENT_LIST_DIR}/HealthPkgConfig.cmake)
health_find_by_pkg_config(jansson jansson libjansson-dev)
