# Finds cmocka by pkg-config: the target cmocka::cmocka.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
include(${CMAKE_CURRENT_LIST_DIR}/HealthPkgConfig.cmake)
health_find_by_pkg_config(cmocka cmocka libcmocka-dev)
