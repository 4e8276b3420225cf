/* Does not compile: PINS_PER_WHEEL is defined nowhere. This is the sample of a build that fails. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *
pins(PyObject *module, PyObject *args)
{
    (void)module;
    (void)args;
    return PyLong_FromLong(PINS_PER_WHEEL * 4L);
}

static PyMethodDef methods[] = {
    {"pins", pins, METH_NOARGS, "pins()\n\nHow many pins a cart needs."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_linchpin", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__linchpin(void)
{
    return PyModule_Create(&definition);
}
